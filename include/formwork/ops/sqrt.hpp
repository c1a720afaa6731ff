// y = sqrt(x);  dx = dy / (2 y)
#pragma once

#include "../core/math.hpp"
#include "divide.hpp"
#include "multiply.hpp"

namespace formwork {
namespace ops {

struct sqrt {
  static constexpr auto name = "sqrt";
  static constexpr int flops = 4;
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::sqrt;
    return sqrt(x);
  }
  static constexpr auto derivative(auto, auto y, auto dy) { return 0.5 * dy / y; }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::sqrt, X> sqrt(X const& x) { return apply<ops::sqrt>(x); }

}  // namespace formwork
