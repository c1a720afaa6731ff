// y = 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x;  dx = dy 2/sqrt(pi) exp(-x^2)
#pragma once

#include <numbers>

#include "../core/math.hpp"
#include "exp.hpp"
#include "multiply.hpp"
#include "negate.hpp"

namespace formwork {
namespace ops {

struct erf {
  static constexpr auto name = "erf";
  static constexpr int flops = 18;
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::erf;
    return erf(x);
  }
  static constexpr auto derivative(auto x, auto, auto dy) {
    return dy * (2 * std::numbers::inv_sqrtpi * formwork::exp(-(x * x)));
  }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::erf, X> erf(X const& x) { return apply<ops::erf>(x); }

}  // namespace formwork
