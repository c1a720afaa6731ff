// y = log(1 + x), accurate near 0;  dx = dy / (1 + x)
#pragma once

#include "../core/math.hpp"
#include "add.hpp"
#include "divide.hpp"

namespace formwork {
namespace ops {

struct log1p {
  static constexpr auto name = "log1p";
  static constexpr int flops = 14;
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::log1p;
    return log1p(x);
  }
  static constexpr auto derivative(auto x, auto, auto dy) { return dy / (1 + x); }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::log1p, X> log1p(X const& x) { return apply<ops::log1p>(x); }

}  // namespace formwork
