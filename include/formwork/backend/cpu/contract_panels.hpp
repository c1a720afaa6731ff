// A right operand that was packed beforehand, once for all products with it: nothing is left to do but multiply.
#pragma once

#include "contract_pack.hpp"
#include "threads.hpp"

namespace formwork::cpu {

// Panels of Panel columns each, of which the last may reach beyond B's end: element (batch, k, j) of B at
//   pointer[batch * batch_stride + j / Panel * panel_stride + k * Panel + j % Panel]
// Stored as another type than the product's, S, it is packed as any operand is.
template <class T, int Panel, class S = T> struct panel_operand {
  static constexpr bool k_contiguous = false;

  const S* pointer;
  std::ptrdiff_t batch_stride = 0, panel_stride;

  const S* address(std::ptrdiff_t batch, std::ptrdiff_t outer, std::ptrdiff_t k) const {
    return pointer + batch * batch_stride + outer / Panel * panel_stride + k * Panel + outer % Panel;
  }
  // `outer` a multiple of Width: a vector never crosses from panel to panel.
  template <int Width> requires(Panel % Width == 0)
  FORMWORK_INLINE pack<T, Width> load(std::ptrdiff_t batch, std::ptrdiff_t outer, std::ptrdiff_t k, int count) const {
    const S* p = address(batch, outer, k);
    return count == Width ? load_as<T, Width>(p) : load_as<T, Width>(p, count);
  }
  detail::memory_walk memory(std::ptrdiff_t batch, std::ptrdiff_t outer, std::ptrdiff_t k, int depth) const {
    return {reinterpret_cast<const char*>(address(batch, outer, k)), 0, 1, static_cast<int>(sizeof(S)) * depth * Panel};
  }
};

// Was B packed beforehand, as the product's type?
template <class> inline constexpr bool is_panels = false;
template <class T, int Panel> inline constexpr bool is_panels<panel_operand<T, Panel>> = true;

namespace detail {
// Can a tile of so many columns read the operand where it lies?
template <class Operand, int Panel> inline constexpr bool operand_in_panels = false;
template <class T, int Panel> inline constexpr bool operand_in_panels<panel_operand<T, Panel>, Panel> = true;
}  // namespace detail

// Packs B, whose element (k, j) is b[k * k_stride + j * column_stride], into panels one after the other, depth * Panel
// elements each; what lies beyond its last column is zero.
template <class T, int Panel>
void pack_panels(T* panels, const T* b, std::ptrdiff_t k_stride, std::ptrdiff_t column_stride, int depth, int columns) {
  parallel_threads(thread_count(), [&](int thread, int threads) {
    const work_range mine = part_of((columns + Panel - 1) / Panel, thread, threads);
    for (std::ptrdiff_t p = mine.begin; p < mine.end; ++p) {
      T* const to = panels + p * depth * Panel;
      const T* const from = b + p * Panel * column_stride;
      const int count = std::min(Panel, columns - static_cast<int>(p) * Panel);
      if (column_stride == 1) {
        detail::pack_adjacent<T, Panel>(to, from, k_stride, count, depth);
      } else if (k_stride == 1) {
        detail::pack_transposed<T, Panel>(to, from, column_stride, count, depth);
      } else {
        for (int k = 0; k < depth; ++k)
          for (int j = 0; j < Panel; ++j) to[k * Panel + j] = j < count ? from[k * k_stride + j * column_stride] : T(0);
      }
    }
  });
}

}  // namespace formwork::cpu
