// y = 1 / sqrt(x);  dx = -dy y^3 / 2
#pragma once

#include "../core/math.hpp"
#include "multiply.hpp"

namespace formwork {
namespace ops {

struct rsqrt {
  static constexpr auto name = "rsqrt";
  static constexpr int flops = 4;
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::rsqrt;
    return rsqrt(x);
  }
  static constexpr auto derivative(auto, auto y, auto dy) { return -0.5 * dy * (y * y * y); }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::rsqrt, X> rsqrt(X const& x) { return apply<ops::rsqrt>(x); }

}  // namespace formwork
