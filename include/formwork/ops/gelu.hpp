// y = x P, P = (1 + erf(x / sqrt(2))) / 2: the normal distribution (Hendrycks & Gimpel 2016, arXiv:1606.08415).
// dx = dy (P + x p), p = exp(-x^2 / 2) / sqrt(2 pi)
#pragma once

#include <numbers>

#include "../core/math.hpp"
#include "add.hpp"
#include "erf.hpp"
#include "exp.hpp"
#include "multiply.hpp"

namespace formwork {
namespace ops {

struct gelu {
  static constexpr auto name = "gelu";
  static constexpr int flops = 22;
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::erf;
    using T = decltype(x);
    return T(0.5) * x * (T(1) + erf(x * T(0.5 * std::numbers::sqrt2)));
  }
  static constexpr auto derivative(auto x, auto, auto dy) {
    auto distribution = 0.5 + 0.5 * formwork::erf(x * (0.5 * std::numbers::sqrt2));
    auto density = (0.5 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi) * formwork::exp(-0.5 * (x * x));
    return dy * (distribution + x * density);
  }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::gelu, X> gelu(X const& x) { return apply<ops::gelu>(x); }

}  // namespace formwork
