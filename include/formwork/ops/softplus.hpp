// y = log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which does not overflow;  dx = dy / (1 + exp(-x))
#pragma once

#include "../core/math.hpp"
#include "multiply.hpp"
#include "sigmoid.hpp"

namespace formwork {
namespace ops {

struct softplus {
  static constexpr auto name = "softplus";
  static constexpr int flops = 28;
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::abs;
    using math::exp;
    using math::log1p;
    using math::max;
    return max(x, decltype(x)(0)) + log1p(exp(-abs(x)));
  }
  static constexpr auto derivative(auto x, auto, auto dy) { return dy * formwork::sigmoid(x); }
};

}  // namespace ops

template <class X>
FORMWORK_FN constexpr applied<ops::softplus, X> softplus(X const& x) { return apply<ops::softplus>(x); }

}  // namespace formwork
