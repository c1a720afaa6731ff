// z = max(x, y); NaN if either is NaN. The gradient goes to the larger operand, and half to each of two equal ones.
#pragma once

#include "../core/math.hpp"
#include "equal.hpp"
#include "greater.hpp"
#include "multiply.hpp"
#include "select.hpp"

namespace formwork {
namespace ops {

struct maximum {
  static constexpr auto name = "maximum";
  static constexpr bool commutative = true;
  FORMWORK_FN static constexpr auto value(auto x, auto y) {
    using math::max;
    return max(x, y);
  }
  static constexpr auto derivative(auto x, auto y, auto, auto dz) {
    auto shared = formwork::select(x == y, 0.5 * dz, 0);
    return std::tuple(formwork::select(x > y, dz, shared), formwork::select(y > x, dz, shared));
  }
};

}  // namespace ops

// The larger of two values, element by element. Along an axis: maximum<Axis>(x).
template <class X, class Y>
FORMWORK_FN constexpr applied<ops::maximum, X, Y> max(X const& x, Y const& y) {
  return apply<ops::maximum>(x, y);
}

}  // namespace formwork
