// Values made from coordinates alone, and reading rows of a table by number.
#pragma once

#include "../ops/equal.hpp"
#include "../ops/less.hpp"
#include "../ops/select.hpp"
#include "reductions.hpp"

namespace formwork {

// The coordinate along an axis of a value's shape, i32.
template <int Axis, typed_value X> constexpr auto index_along(X const& like) {
  using from = typename value_of<X>::shape_type;
  if constexpr (require<axis_fits<Axis, from::rank>, error::axis_is_out_of_range<call::index_along, from, error::axis<Axis>>>)
    return value<dtype::i32, from>{like.g, build::index(*like.g, axis_of<Axis, from::rank>, from::value)};
}

// 0, 1, ..., Size - 1 as a value of shape [Size].
template <long Size, typed_value X> constexpr auto iota(X const& any) {
  return value<dtype::i32, shape<Size>>{any.g, build::index(*any.g, 0, dims{Size})};
}

template <dtype Type = dtype::f32, typed_value X> constexpr auto constant(X const& any, double x) {
  return value<Type, shape<>>{any.g, build::constant(*any.g, x, Type)};
}

// Uniform in [0, 1), one Philox stream per call; the same on every backend.
template <typed_value X> constexpr auto random_like(X const& x) {
  graph& g = *x.g;
  node n{.what = kind::random, .type = dtype::f32, .shape = X::shape};
  n.attribute[0] = g.streams++;
  return value<dtype::f32, typename value_of<X>::shape_type>{&g, g.push_here(n)};
}

// Rows of a table: table (R, C...), indices (I...) of type i32 -> (I..., C...). Its gradient is a scatter-add.
namespace detail {
template <class Table, class Indices> struct gathered_shape {
  static constexpr dims make() {
    dims d = Indices::value;
    for (int i = 1; i < Table::rank; ++i) d.push_back(Table::value.size[i]);
    return d;
  }
  static constexpr dims value = make();
};
}  // namespace detail
template <typed_value Table, typed_value Indices> constexpr auto gather(Table const& table, Indices const& indices) {
  if constexpr (require<Indices::type == dtype::i32, error::needs_indices_of_type_i32<call::gather, value_of<Indices>>>) {
    using to = shape_from<detail::gathered_shape<typename value_of<Table>::shape_type, typename value_of<Indices>::shape_type>>;
    return value<Table::type, to>{table.g, build::gather(*table.g, table.id, indices.id)};
  }
}

// 1 where the coordinate along the last axis equals the index, 0 elsewhere: (I...) -> (I..., Size), as a boolean.
template <long Size, typed_value Indices> constexpr auto one_hot(Indices const& indices) {
  return unsqueeze<-1>(indices) == iota<Size>(indices);
}

namespace detail {
constexpr bool one_per_row(dims const& rows, dims const& x) {
  bool same = x.rank + 1 == rows.rank;
  for (int i = 0; same && i < x.rank; ++i) same = x.size[i] == rows.size[i];
  return same;
}
}  // namespace detail

// x[..., indices[...]]: one element of every row, (..., C) and (...) -> (...). Fused as a masked sum. Call: what errors name.
template <class Call = call::pick, typed_value X, typed_value Indices> constexpr auto pick(X const& x, Indices const& indices) {
  using from = typename value_of<X>::shape_type;
  using at = typename value_of<Indices>::shape_type;
  if constexpr (require<detail::one_per_row(from::value, at::value), error::shapes_do_not_match<Call, from, at>>)
    return squeeze<-1>(sum<-1>(select(one_hot<from::value[-1]>(indices), x, 0)));
}

}  // namespace formwork
