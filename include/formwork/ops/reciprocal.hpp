// y = 1 / x;  dx = -dy y^2
#pragma once

#include "multiply.hpp"
#include "negate.hpp"

namespace formwork {
namespace ops {

struct reciprocal {
  static constexpr auto name = "reciprocal";
  static constexpr int flops = 4;
  FORMWORK_FN static constexpr auto value(auto x) { return 1 / x; }
  static constexpr auto derivative(auto, auto y, auto dy) { return -(dy * (y * y)); }
};

}  // namespace ops

template <class X>
FORMWORK_FN constexpr applied<ops::reciprocal, X> reciprocal(X const& x) { return apply<ops::reciprocal>(x); }

}  // namespace formwork
