// repeat<Count, Block>: a stack of equal blocks as one loop: traced once, differentiated once, one set of kernels.
// Parameters inside are stacked, one set per iteration. sum_over_parts<Count>(f, x...): a sum over parts of a first axis as
// one loop.
#pragma once

#include <tuple>

#include "../ops/add.hpp"
#include "value.hpp"

namespace formwork {

namespace detail {

template <long Count, class Shape> struct part_shape {
  static constexpr dims make() {
    dims d = Shape::value;
    if (d.rank > 0) d.size[0] /= Count;
    return d;
  }
  static constexpr dims value = make();
};

template <long Count, class... X> constexpr bool splits_into() {
  return (require<(X::rank > 0 && X::shape.size[0] % Count == 0),
                  error::axis_does_not_split_into_equal_parts<call::sum_over_parts, typename value_of<X>::shape_type, error::axis<0>, error::parts<Count>>> && ...);
}

// The part of the iteration at hand of (N, ...) as (Count, N / Count, ...).
template <long Count, class X> constexpr auto part_of(X const& x) {
  using to = shape_from<part_shape<Count, typename value_of<X>::shape_type>>;
  dims whole{Count};
  for (int i = 0; i < to::rank; ++i) whole.push_back(to::value.size[i]);
  return value<X::type, to>{x.g, build::part(*x.g, build::reshape(*x.g, x.id, whole))};
}

}  // namespace detail

template <long Count, class Block> struct repeat {
  static constexpr long repeat_count = Count;
  Block block;
  int scope = -1;  // the loop that holds the parameters

  // x -> block(block(...block(x))); the block keeps shape and element type. Further arguments are the same in
  // every iteration.
  template <typed_value X, class... Same> constexpr auto operator()(X const& x, Same const&... same) const {
    graph& g = *x.g;
    for (node const& n : g.nodes)
      if (n.what == kind::carry && n.scope == scope) throw "a repeat can be called once: its parameters belong to one loop";
    g.scope = scope;
    value_of<X> variable{&g, build::carry(g, x.id)};
    auto next = block(variable, same...);
    if constexpr (require<std::is_same_v<value_of<decltype(next)>, value_of<X>>,
                                  error::repeated_block_changes_its_operand<value_of<X>, value_of<decltype(next)>, Block>>) {
      g[variable.id].in[1] = next.id;
      g.end_scope();
      return value_of<X>{&g, build::final(g, variable.id)};
    }
  }
};

// Sum of f(part of x...) over Count equal parts of the first axis of each x, as one loop: f takes values of shape
// (N / Count, ...) and gives a scalar. What the differentiation makes of it stands in the same loop, so that of an
// intermediate value of f only one part exists at a time.
template <long Count, class F, typed_value... X> constexpr auto sum_over_parts(F const& f, X const&... x) {
  if constexpr (Count == 1) {
    return f(x...);
  } else if constexpr (detail::splits_into<Count, X...>()) {
    graph& g = *std::get<0>(std::tie(x...)).g;
    const int zero = build::constant(g, 0);
    g.begin_loop(Count);
    const int sum = build::carry(g, zero);
    auto y = std::apply(f, std::tuple{detail::part_of<Count>(x)...});
    using y_t = value_of<decltype(y)>;
    if constexpr (require<std::is_same_v<y_t, value<dtype::f32, shape<>>>, error::sum_over_parts_needs_a_scalar<y_t, F>>) {
      g[sum].in[1] = build::map<ops::add>(g, sum, y.id);
      g.end_scope();
      return y_t{&g, build::final(g, sum)};
    }
  }
}

}  // namespace formwork
