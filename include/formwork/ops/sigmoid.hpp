// y = 1 / (1 + exp(-x));  dx = dy y (1 - y)
#pragma once

#include "../core/math.hpp"
#include "multiply.hpp"
#include "subtract.hpp"

namespace formwork {
namespace ops {

struct sigmoid {
  static constexpr auto name = "sigmoid";
  static constexpr int flops = 15;
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::sigmoid;
    return sigmoid(x);
  }
  static constexpr auto derivative(auto, auto y, auto dy) { return dy * (y * (1 - y)); }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::sigmoid, X> sigmoid(X const& x) { return apply<ops::sigmoid>(x); }

}  // namespace formwork
