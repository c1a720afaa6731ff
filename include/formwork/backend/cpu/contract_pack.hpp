// Packing of operands into panels: Panel consecutive rows of A (or columns of B) side by side for each k,
// panel[k * Panel + o], lanes beyond the operand's end zero. The tile then reads both operands in order.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>

#include "contract_micro.hpp"
#include "simd.hpp"
#include "simd_shuffle.hpp"

namespace formwork::cpu {

// An operand that lies in memory: element (batch, outer, k), outer being the row of A or the column of B, at
//   pointer[batch * batch_stride + outer * stride + k]   when KContiguous
//   pointer[batch * batch_stride + k * stride + outer]   otherwise
template <class T, bool KContiguous> struct strided_operand {
  static constexpr bool k_contiguous = KContiguous;
  using in_memory = T;

  const T* pointer;
  std::ptrdiff_t batch_stride = 0, stride;

  const T* address(std::ptrdiff_t batch, std::ptrdiff_t outer, std::ptrdiff_t k) const {
    return pointer + batch * batch_stride + (KContiguous ? outer * stride + k : k * stride + outer);
  }
  template <int Width>
  FORMWORK_INLINE pack<T, Width> load(std::ptrdiff_t batch, std::ptrdiff_t outer, std::ptrdiff_t k,
                                      int count) const {
    const T* p = address(batch, outer, k);
    return count == Width ? pack<T, Width>::load(p) : pack<T, Width>::load(p, count);
  }
};

// What `contract` takes as A and B. load gives Width consecutive elements along the contiguous direction,
// from (outer, k) on; the lanes from `count` on must be zero. Any work done there is the product's prologue.
template <class Operand, class T>
concept contract_operand = requires(Operand const& x, std::ptrdiff_t at, int count) {
  { Operand::k_contiguous } -> std::convertible_to<bool>;
  { x.template load<native_width<T>>(at, at, at, count) } -> std::same_as<pack<T, native_width<T>>>;
};

namespace detail {

template <class Operand>
concept operand_in_memory = requires(Operand const& x) { typename Operand::in_memory; x.pointer; x.stride; };

template <class T, int Width, int... I>
FORMWORK_INLINE pack<T, Width> shuffled(pack<T, Width> a, pack<T, Width> b, std::integer_sequence<int, I...>) {
  return shuffle<I...>(a, b);
}
// Lane i of the 2x2 block exchange at distance D between rows x and y = x + D: the upper result takes
// from x where bit D of i is clear and from y's lane i - D elsewhere; the lower one the rest.
template <int Width, int D, bool Lower, int... I>
constexpr auto exchange_lanes(std::integer_sequence<int, I...>) {
  return std::integer_sequence<int, ((I & D) ? Width + I - (Lower ? 0 : D) : I + (Lower ? D : 0))...>{};
}
template <int D, class T, int Width> FORMWORK_INLINE void exchange_blocks(pack<T, Width>* row) {
  using lanes = std::make_integer_sequence<int, Width>;
  unrolled<Width / 2>([&](auto n) {
    constexpr int x = n / D * 2 * D + n % D, y = x + D;
    const pack<T, Width> a = row[x], b = row[y];
    row[x] = shuffled(a, b, exchange_lanes<Width, D, false>(lanes{}));
    row[y] = shuffled(a, b, exchange_lanes<Width, D, true>(lanes{}));
  });
}
// row[i][j] <-> row[j][i], in log2(Width) rounds of block exchanges.
template <int D = 1, class T, int Width> FORMWORK_INLINE void transpose(pack<T, Width>* row) {
  exchange_blocks<D>(row);
  if constexpr (2 * D < Width) transpose<2 * D>(row);
}

// Panels from memory where the `extent` outer elements are adjacent and consecutive k are `stride` apart.
// A few k at a time for all panels: with long strides every k is on another page, and is visited once.
template <class T, int Panel>
[[gnu::noinline]] void pack_adjacent(T* panels, const T* source, std::ptrdiff_t stride, int extent, int depth) {
  constexpr int lanes = std::min(Panel, native_width<T>), step = 32;
  static_assert(Panel % lanes == 0);
  for (int k = 0; k < depth; k += step) {
    const int end = std::min(k + step, depth);
    for (int begin = 0; begin < extent; begin += Panel) {
      T* to = panels + begin * depth + k * Panel;
      const T* from = source + begin + k * stride;
      if (begin + Panel <= extent) {
        for (int n = k; n < end; ++n, to += Panel, from += stride)
          unrolled<Panel / lanes>([&](auto v) { store_whole(load_whole<T, lanes>(from + v * lanes), to + v * lanes); });
      } else {
        for (int n = k; n < end; ++n, to += Panel, from += stride)
          for (int o = 0; o < Panel; ++o) to[o] = begin + o < extent ? from[o] : T(0);
      }
    }
  }
}

// One panel from memory where consecutive k are adjacent and the outer elements are `stride` apart.
template <class T, int Panel>
[[gnu::noinline]] void pack_transposed(T* panel, const T* source, std::ptrdiff_t stride, int count, int depth) {
  constexpr int lanes = std::min(Panel, native_width<T>);
  int k = 0;
  for (; k + lanes <= depth; k += lanes)
    for (int o = 0; o < Panel; o += lanes) {
      pack<T, lanes> row[lanes];
      if (o + lanes <= count)
        unrolled<lanes>([&](auto i) { row[i] = load_whole<T, lanes>(source + (o + i) * stride + k); });
      else
        unrolled<lanes>([&](auto i) {
          row[i] = o + i < count ? load_whole<T, lanes>(source + (o + i) * stride + k) : pack<T, lanes>(T(0));
        });
      transpose(row);
      unrolled<lanes>([&](auto i) { store_whole(row[i], panel + (k + i) * Panel + o); });
    }
  for (; k < depth; ++k)
    for (int o = 0; o < Panel; ++o) panel[k * Panel + o] = o < count ? source[o * stride + k] : T(0);
}

// The memory of a block, in stretches, to be asked for little by little.
struct memory_walk {
  static constexpr int stretch = errand_bytes;
  const char* row = nullptr;
  std::ptrdiff_t stride = 0;
  int rows = 0, row_bytes = 0, at = 0;  // rows left; bytes into the first of them
  int each = 0;                         // stretches per call of `ask`

  void cut(int parts) { each = (rows * ((row_bytes + stretch - 1) / stretch) + parts - 1) / parts; }
  template <class Errands> void ask(Errands& errands) {
    for (int n = each; n > 0 && rows > 0; --n) {
      errands.ask_to_read(row + at);
      at += stretch;
      if (at >= row_bytes) {
        at = 0;
        row += stride;
        --rows;
      }
    }
  }
};
// What a block of an operand is packed from; nothing for a computed one.
template <class Operand>
memory_walk memory_of([[maybe_unused]] Operand const& x, [[maybe_unused]] std::ptrdiff_t batch, [[maybe_unused]] std::ptrdiff_t outer,
                      [[maybe_unused]] int count, [[maybe_unused]] std::ptrdiff_t k, [[maybe_unused]] int depth) {
  if constexpr (requires { x.memory(batch, outer, k, depth); }) {
    return x.memory(batch, outer, k, depth);
  } else if constexpr (operand_in_memory<Operand>) {
    const auto* p = x.address(batch, outer, k);
    constexpr int size = sizeof(*p);
    return {reinterpret_cast<const char*>(p), x.stride * size, Operand::k_contiguous ? count : depth, (Operand::k_contiguous ? depth : count) * size};
  } else {
    return {};
  }
}

// Elements of a computed operand are first written to a small strip, then packed as if they lay in memory,
// so that a prologue costs its own code and not another packing routine.
inline constexpr int strip_depth = 64;

// Panels outer, outer + Panel, ... up to outer + extent of the k range [k, k + depth), one after the other.
template <class T, int Panel, class Operand>
void pack_block(T* panels, Operand const& x, std::ptrdiff_t batch, std::ptrdiff_t outer, int extent,
                std::ptrdiff_t k, int depth) {
  if constexpr (operand_in_memory<Operand> && !Operand::k_contiguous) {
    pack_adjacent<T, Panel>(panels, x.address(batch, outer, k), x.stride, extent, depth);
    return;
  }
  for (int begin = 0; begin < extent; begin += Panel, panels += Panel * depth) {
    const int count = std::min(Panel, extent - begin);
    if constexpr (operand_in_memory<Operand>) {
      if constexpr (Operand::k_contiguous)
        pack_transposed<T, Panel>(panels, x.address(batch, outer + begin, k), x.stride, count, depth);
    } else {
      constexpr int lanes = native_width<T>;
      constexpr int adjacent = Operand::k_contiguous ? strip_depth : (Panel + lanes - 1) / lanes * lanes;
      constexpr int strip_rows = Operand::k_contiguous ? Panel : strip_depth;
      alignas(64) T strip[strip_rows * adjacent];
      for (int part = 0; part < depth; part += strip_depth) {
        const int parts = std::min(strip_depth, depth - part);
        const int rows = Operand::k_contiguous ? count : parts, length = Operand::k_contiguous ? parts : count;
        for (int row = 0; row < rows; ++row)
          for (int i = 0; i < length; i += lanes) {
            const std::ptrdiff_t o = outer + begin + (Operand::k_contiguous ? row : i);
            const std::ptrdiff_t at = k + part + (Operand::k_contiguous ? i : row);
            x.template load<lanes>(batch, o, at, std::min(lanes, length - i)).store(strip + row * adjacent + i);
          }
        if constexpr (Operand::k_contiguous)
          pack_transposed<T, Panel>(panels + part * Panel, strip, adjacent, count, parts);
        else
          pack_adjacent<T, Panel>(panels + part * Panel, strip, adjacent, count, parts);
      }
    }
  }
}

}  // namespace detail
}  // namespace formwork::cpu
