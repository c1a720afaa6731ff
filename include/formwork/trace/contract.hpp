// matmul: (..., M, K) times (..., K, N). A right operand of two axes serves all leading axes of the left one, which
// then is one product with the leading axes folded into M.
#pragma once

#include "views.hpp"

namespace formwork {

namespace detail {

template <class A, class B> struct product_shape {
  static constexpr bool ranks = A::rank >= 2 && B::rank >= 2;
  static constexpr bool inner() {
    if constexpr (ranks) return A::value[-1] == B::value[-2];
    else return false;
  }
  static constexpr dims lead(dims d) {
    d.rank -= 2;
    for (int i = d.rank; i < max_rank; ++i) d.size[i] = 0;
    return d;
  }
  static constexpr dims make() {
    if constexpr (!ranks) return dims{};
    else {
      dims d = formwork::broadcast(lead(A::value), lead(B::value));
      if (d.rank < 0) return d;
      d.push_back(A::value[-2]);
      d.push_back(B::value[-1]);
      return d;
    }
  }
  static constexpr dims value = make();
  static constexpr bool fits = inner() && value.rank >= 0;
  static constexpr dims operand(long rows, long columns) {
    dims d = lead(value);
    d.push_back(rows);
    d.push_back(columns);
    return d;
  }
};

}  // namespace detail

template <typed_value A, typed_value B> constexpr auto matmul(A const& a, B const& b) {
  using left = typename value_of<A>::shape_type;
  using right = typename value_of<B>::shape_type;
  using product = detail::product_shape<left, right>;
  if constexpr (require<product::fits, error::shapes_do_not_match<call::matmul, left, right>> &&
                require<A::type == B::type, error::element_types_do_not_match<call::matmul, value_of<A>, value_of<B>>>) {
    graph& g = *a.g;
    using to = shape_from<product>;
    constexpr long m = left::value[-2], k = left::value[-1], n = right::value[-1];
    if constexpr (right::rank == 2 && left::rank > 2) {
      int flat = build::reshape(g, a.id, dims{left::elements / k, k});
      return value<A::type, to>{&g, build::reshape(g, build::contract(g, flat, b.id), to::value)};
    } else {
      int x = build::broadcast(g, a.id, product::operand(m, k)), y = build::broadcast(g, b.id, product::operand(k, n));
      return value<A::type, to>{&g, build::contract(g, x, y)};
    }
  }
}

// The last two axes exchanged.
template <typed_value X> constexpr auto matrix_transpose(X const& x) {
  using from = typename value_of<X>::shape_type;
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    constexpr int r = from::rank;
    return transpose<(static_cast<int>(I) == r - 1 ? r - 2 : static_cast<int>(I) == r - 2 ? r - 1 : static_cast<int>(I))...>(x);
  }(std::make_index_sequence<static_cast<std::size_t>(from::rank)>{});
}

}  // namespace formwork
