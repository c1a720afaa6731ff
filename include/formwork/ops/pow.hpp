// z = x^y;  dx = dz y x^(y - 1), and 0 where y = 0;  dy = dz z log(x), and 0 where x = 0 <= y: the limits.
#pragma once

#include <tuple>

#include "../core/math.hpp"
#include "equal.hpp"
#include "greater_equal.hpp"
#include "log.hpp"
#include "logical_and.hpp"
#include "multiply.hpp"
#include "reciprocal.hpp"
#include "rsqrt.hpp"
#include "select.hpp"
#include "sqrt.hpp"
#include "square.hpp"
#include "subtract.hpp"

namespace formwork {
namespace ops {

struct pow {
  static constexpr auto name = "pow";
  static constexpr int flops = 26;
  FORMWORK_FN static constexpr auto value(auto x, auto y) {
    using math::pow;
    return pow(x, y);
  }
  static constexpr auto derivative(auto x, auto y, auto z, auto dz) {
    return std::tuple(formwork::select(y == 0, 0, dz * (y * apply<pow>(x, y - 1))),
                      formwork::select(x == 0 && y >= 0, 0, dz * (z * formwork::log(x))));
  }
};

}  // namespace ops

// x to the power y, element by element; x < 0 needs a whole y. Exponents that are numbers cost no power function
// where a product, a square root or a reciprocal does it.
template <class X, class Y> FORMWORK_FN constexpr applied<ops::pow, X, Y> pow(X const& x, Y const& y) {
  using result = applied<ops::pow, X, Y>;
  if constexpr (traced<X> && std::is_arithmetic_v<Y>) {
    const auto exponent = static_cast<double>(y);
    if (exponent == 1) return result{x};
    if (exponent == 2) return result{square(x)};
    if (exponent == 3) return result{x * square(x)};
    if (exponent == 4) return result{square(square(x))};
    if (exponent == 0.5) return result{sqrt(x)};
    if (exponent == -0.5) return result{rsqrt(x)};
    if (exponent == -1) return result{reciprocal(x)};
    if (exponent == -2) return result{square(reciprocal(x))};
  }
  return result{apply<ops::pow>(x, y)};
}

}  // namespace formwork
