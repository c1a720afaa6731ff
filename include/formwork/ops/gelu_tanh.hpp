// y = x/2 (1 + tanh(u/2)), u = 2 sqrt(2/pi) (x + 0.044715 x^3): the approximation of GELU of Hendrycks & Gimpel 2016
// (arXiv:1606.08415), which GPT-2 uses. With (1 + tanh(u/2))/2 = s = 1 / (1 + exp(-u)):
// y = x s;  dx = dy (s + y (1 - s) u'), u' = 2 sqrt(2/pi) (1 + 3 0.044715 x^2)
#pragma once

#include <numbers>

#include "../core/math.hpp"
#include "add.hpp"
#include "multiply.hpp"
#include "sigmoid.hpp"
#include "subtract.hpp"

namespace formwork {
namespace ops {

struct gelu_tanh {
  static constexpr auto name = "gelu_tanh";
  static constexpr int flops = 20;
  static constexpr double cubic = 0.044715;
  static constexpr double slope = std::numbers::sqrt2 * std::numbers::inv_sqrtpi * 2;  // 2 sqrt(2/pi)
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::exp;
    using T = decltype(x);
    const T u = x * (T(slope) + T(slope * cubic) * (x * x));
    return x / (T(1) + exp(-u));
  }
  static constexpr auto derivative(auto x, auto y, auto dy) {
    auto square = x * x;
    auto s = formwork::sigmoid(x * (slope + slope * cubic * square));
    return dy * (s + y * (1 - s) * (slope + 3 * slope * cubic * square));
  }
};

}  // namespace ops

template <class X>
FORMWORK_FN constexpr applied<ops::gelu_tanh, X> gelu_tanh(X const& x) { return apply<ops::gelu_tanh>(x); }

}  // namespace formwork
