// y = cos(x), x in radians;  dx = -dy sin(x)
#pragma once

#include "../core/math.hpp"
#include "multiply.hpp"
#include "negate.hpp"
#include "sin.hpp"

namespace formwork {
namespace ops {

struct cos {
  static constexpr auto name = "cos";
  static constexpr int flops = 16;
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::cos;
    return cos(x);
  }
  static constexpr auto derivative(auto x, auto, auto dy) { return -(dy * formwork::sin(x)); }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::cos, X> cos(X const& x) { return apply<ops::cos>(x); }

}  // namespace formwork
