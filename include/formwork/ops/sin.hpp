// y = sin(x), x in radians;  dx = dy cos(x)
#pragma once

#include "../core/math.hpp"
#include "multiply.hpp"

namespace formwork {
namespace ops {

struct cos;

struct sin {
  static constexpr auto name = "sin";
  static constexpr int flops = 16;
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::sin;
    return sin(x);
  }
  static constexpr auto derivative(auto x, auto, auto dy) { return dy * apply<cos>(x); }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::sin, X> sin(X const& x) { return apply<ops::sin>(x); }

}  // namespace formwork

#include "cos.hpp"  // each is the other's derivative
