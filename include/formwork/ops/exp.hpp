// y = exp(x);  dx = dy y
#pragma once

#include "../core/math.hpp"
#include "multiply.hpp"

namespace formwork {
namespace ops {

struct exp {
  static constexpr auto name = "exp";
  static constexpr int flops = 12;
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::exp;
    return exp(x);
  }
  static constexpr auto derivative(auto, auto y, auto dy) { return dy * y; }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::exp, X> exp(X const& x) { return apply<ops::exp>(x); }

}  // namespace formwork
