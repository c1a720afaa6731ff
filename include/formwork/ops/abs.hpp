// y = |x|;  dx = dy sign(x)
#pragma once

#include "../core/math.hpp"
#include "multiply.hpp"
#include "sign.hpp"

namespace formwork {
namespace ops {

struct abs {
  static constexpr auto name = "abs";
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::abs;
    return abs(x);
  }
  static constexpr auto derivative(auto x, auto, auto dy) { return dy * formwork::sign(x); }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::abs, X> abs(X const& x) { return apply<ops::abs>(x); }

}  // namespace formwork
