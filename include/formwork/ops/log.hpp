// y = log(x);  dx = dy / x
#pragma once

#include "../core/math.hpp"
#include "divide.hpp"

namespace formwork {
namespace ops {

struct log {
  static constexpr auto name = "log";
  static constexpr int flops = 12;
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::log;
    return log(x);
  }
  static constexpr auto derivative(auto x, auto, auto dy) { return dy / x; }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::log, X> log(X const& x) { return apply<ops::log>(x); }

}  // namespace formwork
