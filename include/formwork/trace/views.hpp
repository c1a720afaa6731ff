// Shape changes of typed values. None of them computes: the fusion turns them into addressing.
#pragma once

#include <array>

#include "../shape/axes.hpp"
#include "value.hpp"

namespace formwork {

// The same elements, in row-major order, with another shape.
template <long... Size, typed_value X> constexpr auto reshape(X const& x) {
  using to = shape<Size...>;
  if constexpr (require<to::elements == X::shape.elements(),
                                error::number_of_elements_differs<call::reshape, typename value_of<X>::shape_type, to>>)
    return value<X::type, to>{x.g, build::reshape(*x.g, x.id, to::value)};
}

// The shape given as a type.
template <class Shape, typed_value X> constexpr auto reshape_to(X const& x) {
  return [&]<long... Size>(shape<Size...>) { return reshape<Size...>(x); }(Shape{});
}

// NumPy's broadcasting to a given shape.
template <long... Size, typed_value X> constexpr auto broadcast_to(X const& x) {
  using to = shape<Size...>;
  using from = typename value_of<X>::shape_type;
  if constexpr (require<(broadcast(from::value, to::value) == to::value),
                                error::shapes_do_not_match<call::broadcast_to, from, to>>)
    return value<X::type, to>{x.g, build::broadcast(*x.g, x.id, to::value)};
}

// Axis i of the result is axis Axis[i] of x.
template <int... Axis, typed_value X> constexpr auto transpose(X const& x) {
  using from = typename value_of<X>::shape_type;
  if constexpr (require<permutes<from::rank, Axis...>(),
                                error::axes_are_not_a_permutation<call::transpose, from, error::axes<Axis...>>>) {
    using to = shape_from<axes_permuted<from, Axis...>>;
    return value<X::type, to>{
        x.g, build::transpose(*x.g, x.id, std::array<int, 6>{axis_of<Axis, from::rank>...})};
  }
}

// Elements First, ..., First + Size - 1 along one axis.
template <int Axis, long First, long Size, typed_value X> constexpr auto slice(X const& x) {
  using from = typename value_of<X>::shape_type;
  if constexpr (require<axis_fits<Axis, from::rank>, error::axis_is_out_of_range<call::slice, from, error::axis<Axis>>>) {
    if constexpr (require<(First >= 0 && Size > 0 && First + Size <= from::value[Axis]),
                                  error::slice_is_out_of_range<call::slice, from, error::axis<Axis>, error::first<First>, error::size<Size>>>) {
      using to = shape_from<axis_resized<from, Axis, Size>>;
      std::array<int, 6> first{};
      first[static_cast<std::size_t>(axis_of<Axis, from::rank>)] = static_cast<int>(First);
      return value<X::type, to>{x.g, build::slice(*x.g, x.id, first, to::value)};
    }
  }
}

// Parts equal slices along one axis, as a std::array.
template <int Axis, long Parts, typed_value X> constexpr auto split(X const& x) {
  using from = typename value_of<X>::shape_type;
  if constexpr (require<axis_fits<Axis, from::rank>, error::axis_is_out_of_range<call::split, from, error::axis<Axis>>>) {
    constexpr long size = Parts > 0 ? from::value[Axis] / Parts : 0;
    if constexpr (require<(Parts > 0 && size * Parts == from::value[Axis]),
                                  error::axis_does_not_split_into_equal_parts<call::split, from, error::axis<Axis>, error::parts<Parts>>>)
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return std::array{slice<Axis, static_cast<long>(I) * size, size>(x)...};
      }(std::make_index_sequence<static_cast<std::size_t>(Parts)>{});
  }
}

namespace detail {
template <int Axis, class First, class... Rest> struct concatenated_shape {
  static constexpr dims make() {
    dims d = First::value;
    ((d[Axis] += Rest::value[Axis]), ...);
    return d;
  }
  static constexpr bool fits() {
    if (!axis_fits<Axis, First::rank>) return false;
    auto same = [](dims a, dims b) {
      if (a.rank != b.rank) return false;
      a[Axis] = b[Axis] = 0;
      return a == b;
    };
    return (same(First::value, Rest::value) && ...);
  }
  static constexpr dims value = fits() ? make() : dims{};
};
}  // namespace detail

// Two to six values one after the other along one axis; the other axes agree.
template <int Axis, typed_value X, typed_value... Y> constexpr auto concatenate(X const& x, Y const&... y) {
  using from = typename value_of<X>::shape_type;
  using joined = detail::concatenated_shape<Axis, from, typename value_of<Y>::shape_type...>;
  if constexpr (require<axis_fits<Axis, from::rank>, error::axis_is_out_of_range<call::concatenate, from, error::axis<Axis>>> &&
                require<joined::fits(), error::shapes_do_not_match<call::concatenate, from, typename value_of<Y>::shape_type...>> &&
                require<((X::type == Y::type) && ...),
                                error::element_types_do_not_match<call::concatenate, value_of<X>, value_of<Y>...>>) {
    using to = shape_from<joined>;
    const std::array<int, 6> parts{x.id, y.id...};
    return value<X::type, to>{x.g, build::concatenate(*x.g, parts, 1 + static_cast<int>(sizeof...(Y)), axis_of<Axis, from::rank>)};
  }
}

// Converts every element to another type.
template <dtype To, typed_value X> constexpr auto cast(X const& x) {
  return value<To, typename value_of<X>::shape_type>{x.g, build::cast(*x.g, x.id, To)};
}

}  // namespace formwork
