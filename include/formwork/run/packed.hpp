// packed_matrix<T, K, N>: the right operand of products, laid out once as the CPU's products read it. Without it every
// product lays its operand out anew, which pays where a product has few rows.
//
//   packed_matrix w(weights);               // a copy of a tensor or view of shape [K, N], transposed ones included
//   assign(y, gelu(matmul(x, w) + b));      // everything else as with the tensor itself
//   w.pack(weights);                        // again, after the weights have changed
//
// In any other place of an expression than matmul's second it is copied back into rows first, each time.
#pragma once

#include "../backend/cpu/contract_panels.hpp"
#include "../kernels/contract_schedule.hpp"
#include "lazy_trace.hpp"

namespace formwork {

// Columns of a panel: those of a product's register tile. In bytes they are the same for every type.
template <class T> inline constexpr int packed_panel = kernels::contract_schedule_for(sizeof(T), 1, 1, 1).tile_columns;
inline constexpr int packed_panel_bytes = packed_panel<float> * static_cast<int>(sizeof(float));

// Somebody's packed matrix of shape<K, N>, which must outlive it: panels of Panel columns, the last one filled up with
// zeros, each with its K rows one after the other.
template <class T, class Shape, int Panel> class packed_view {
 public:
  using recorded_as = in_memory;
  using shape_type = Shape;
  static constexpr long depth = Shape::value[0], columns = Shape::value[1], panels = (columns + Panel - 1) / Panel;
  using memory = view<const T, formwork::shape<panels, depth, Panel>>;
  static constexpr dtype type = memory::type;

  constexpr explicit packed_view(memory where) : where_(where) {}
  constexpr memory in_panels() const { return where_; }

 private:
  memory where_;
};

// T: float or double. It owns its memory, K * N elements and up to a panel more, and moves.
template <class T, long K, long N> class packed_matrix {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "a packed_matrix holds float or double: other types are widened product by product");
  static_assert(K > 0 && N > 0);

 public:
  using recorded_as = in_memory;
  using value_type = T;
  using shape_type = shape<K, N>;
  using view_type = packed_view<T, shape_type, packed_panel<T>>;

  template <class U, class Strides> requires(std::is_same_v<std::remove_const_t<U>, T>)
  explicit packed_matrix(view<U, shape_type, Strides> from) : panels_(uninitialized) { pack(from); }
  explicit packed_matrix(tensor<T, shape_type> const& from) : packed_matrix(from.as_view()) {}

  template <class U, class Strides> requires(std::is_same_v<std::remove_const_t<U>, T>)
  void pack(view<U, shape_type, Strides> from) {
    cpu::pack_panels<T, packed_panel<T>>(panels_.data(), from.data(), Strides::value[0], Strides::value[1], static_cast<int>(K), static_cast<int>(N));
  }
  void pack(tensor<T, shape_type> const& from) { pack(from.as_view()); }

  view_type as_view() const { return view_type(panels_.as_view()); }

 private:
  tensor<T, typename view_type::memory::shape_type> panels_;
};

template <class U, long K, long N, class Strides> packed_matrix(view<U, shape<K, N>, Strides>) -> packed_matrix<std::remove_const_t<U>, K, N>;
template <class T, long K, long N> packed_matrix(tensor<T, shape<K, N>> const&) -> packed_matrix<T, K, N>;

namespace detail {

template <class T, class Shape, int Panel> struct traced_operand<packed_view<T, Shape, Panel>> { using type = value<packed_view<T, Shape, Panel>::type, Shape>; };

template <class T, class Shape, int Panel> struct tracer<packed_view<T, Shape, Panel>> {
  using packed = packed_view<T, Shape, Panel>;
  static constexpr int leaves = 1;
  static constexpr typename traced_operand<packed>::type trace(graph& g) {
    const int panels = push_input(g, packed::type, packed::memory::shape);
    const int rows = build::reshape(g, build::transpose(g, panels, {1, 0, 2}), dims{packed::depth, packed::panels * Panel});
    return {&g, build::slice(g, rows, {}, Shape::value)};
  }
  static void collect(packed const& p, void**& to) { *to++ = const_cast<T*>(p.in_panels().data()); }
};

}  // namespace detail

}  // namespace formwork
