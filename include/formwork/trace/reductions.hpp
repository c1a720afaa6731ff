// Reductions of typed values along compile-time axes. The reduced axes stay, with size 1, so that the result
// broadcasts against the operand; squeeze() removes them. No axis given: all axes.
#pragma once

#include "../ops/divide.hpp"
#include "../ops/exp.hpp"
#include "../ops/log.hpp"
#include "../ops/multiply.hpp"
#include "../ops/stop_gradient.hpp"
#include "../ops/subtract.hpp"
#include "../ops/add.hpp"
#include "views.hpp"

namespace formwork {

namespace detail {

template <class Shape, int... Axis> struct reduced_shape {
  static constexpr int mask() {
    if (sizeof...(Axis) == 0) return (1 << Shape::rank) - 1;
    return (0 | ... | (1 << axis_of<Axis, Shape::rank>));
  }
  static constexpr dims make() {
    dims d = Shape::value;
    for (int i = 0; i < d.rank; ++i)
      if (mask() >> i & 1) d.size[i] = 1;
    return d;
  }
  static constexpr dims value = make();
  static constexpr long elements = Shape::value.elements() / value.elements();
};

// The first axis that a shape does not have, or 0.
template <int Rank, int... Axis> constexpr int missing_axis() {
  int bad = 0;
  ((bad = bad == 0 && (Axis < -Rank || Axis >= Rank) ? Axis : bad), ...);
  return bad;
}

}  // namespace detail

// Every axis is one of the shape; else an error that names the call.
template <class Call, class Shape, int... Axis>
inline constexpr bool axes_exist =
    require<(axis_fits<Axis, Shape::rank> && ...),
            error::axis_is_out_of_range<Call, Shape, error::axis<detail::missing_axis<Shape::rank, Axis...>()>>>;

namespace detail {

template <kind What, class Call, int... Axis, class X> constexpr auto reduce(X const& x) {
  using from = typename value_of<X>::shape_type;
  if constexpr (axes_exist<Call, from, Axis...>) {
    using to = reduced_shape<from, Axis...>;
    return value<X::type, shape_from<to>>{x.g, build::reduce(*x.g, What, x.id, to::mask())};
  }
}

}  // namespace detail

template <int... Axis, typed_value X> constexpr auto sum(X const& x) {
  return detail::reduce<kind::sum, call::sum, Axis...>(x);
}

template <int... Axis, typed_value X> constexpr auto maximum(X const& x) {
  return detail::reduce<kind::maximum, call::maximum, Axis...>(x);
}

template <int... Axis, typed_value X> constexpr auto minimum(X const& x) {
  return 0 - detail::reduce<kind::maximum, call::minimum, Axis...>(0 - x);
}

template <int... Axis, typed_value X> constexpr auto mean(X const& x) {
  auto total = detail::reduce<kind::sum, call::mean, Axis...>(x);
  return total * (static_cast<double>(total.shape.elements()) / static_cast<double>(X::shape.elements()));
}

// The biased variance (divided by n), from centred values.
template <int... Axis, typed_value X> constexpr auto variance(X const& x) {
  if constexpr (axes_exist<call::variance, typename value_of<X>::shape_type, Axis...>) {
    auto centred = x - mean<Axis...>(x);
    return mean<Axis...>(centred * centred);
  }
}

// log(sum(exp(x))), safe for large |x|.
template <int... Axis, typed_value X> constexpr auto log_sum_exp(X const& x) {
  if constexpr (axes_exist<call::log_sum_exp, typename value_of<X>::shape_type, Axis...>) {
    auto top = stop_gradient(maximum<Axis...>(x));
    return log(sum<Axis...>(exp(x - top))) + top;
  }
}

// Removes an axis of size 1.
template <int Axis, typed_value X> constexpr auto squeeze(X const& x) {
  using from = typename value_of<X>::shape_type;
  if constexpr (axes_exist<call::squeeze, from, Axis>) {
    if constexpr (require<from::value[Axis] == 1, error::axis_is_not_of_size_one<call::squeeze, from, error::axis<Axis>>>)
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        constexpr int axis = axis_of<Axis, from::rank>;
        return reshape<from::value.size[static_cast<int>(I) < axis ? I : I + 1]...>(x);
      }(std::make_index_sequence<static_cast<std::size_t>(from::rank - 1)>{});
  }
}

// Inserts an axis of size 1 before axis Axis.
template <int Axis, typed_value X> constexpr auto unsqueeze(X const& x) {
  using from = typename value_of<X>::shape_type;
  if constexpr (require<axis_fits<Axis, from::rank + 1>, error::axis_is_out_of_range<call::unsqueeze, from, error::axis<Axis>>>) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      constexpr int axis = Axis < 0 ? Axis + from::rank + 1 : Axis;
      constexpr auto size = [](int i) { return i < axis ? from::value.size[i] : i == axis ? 1 : from::value.size[i - 1]; };
      return reshape<size(static_cast<int>(I))...>(x);
    }(std::make_index_sequence<static_cast<std::size_t>(from::rank + 1)>{});
  }
}

}  // namespace formwork
