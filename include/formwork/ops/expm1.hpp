// y = exp(x) - 1, accurate near 0;  dx = dy (y + 1)
#pragma once

#include "../core/math.hpp"
#include "add.hpp"
#include "multiply.hpp"

namespace formwork {
namespace ops {

struct expm1 {
  static constexpr auto name = "expm1";
  static constexpr int flops = 14;
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::expm1;
    return expm1(x);
  }
  static constexpr auto derivative(auto, auto y, auto dy) { return dy * (y + 1); }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::expm1, X> expm1(X const& x) { return apply<ops::expm1>(x); }

}  // namespace formwork
