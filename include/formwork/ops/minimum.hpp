// z = min(x, y); NaN if either is NaN. The gradient goes to the smaller operand, and half to each of two equal ones.
#pragma once

#include "../core/math.hpp"
#include "equal.hpp"
#include "less.hpp"
#include "multiply.hpp"
#include "select.hpp"

namespace formwork {
namespace ops {

struct minimum {
  static constexpr auto name = "minimum";
  static constexpr bool commutative = true;
  FORMWORK_FN static constexpr auto value(auto x, auto y) {
    using math::min;
    return min(x, y);
  }
  static constexpr auto derivative(auto x, auto y, auto, auto dz) {
    auto shared = formwork::select(x == y, 0.5 * dz, 0);
    return std::tuple(formwork::select(x < y, dz, shared), formwork::select(y < x, dz, shared));
  }
};

}  // namespace ops

// The smaller of two values, element by element. Along an axis: minimum<Axis>(x).
template <class X, class Y>
FORMWORK_FN constexpr applied<ops::minimum, X, Y> min(X const& x, Y const& y) {
  return apply<ops::minimum>(x, y);
}

}  // namespace formwork
