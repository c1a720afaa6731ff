// y = x s, s = 1 / (1 + exp(-x)), also called swish (Hendrycks & Gimpel 2016);  dx = dy (s + y (1 - s))
#pragma once

#include "../core/math.hpp"
#include "add.hpp"
#include "multiply.hpp"
#include "sigmoid.hpp"
#include "subtract.hpp"

namespace formwork {
namespace ops {

struct silu {
  static constexpr auto name = "silu";
  static constexpr int flops = 16;
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::exp;
    return x / (1 + exp(-x));
  }
  static constexpr auto derivative(auto x, auto y, auto dy) {
    auto s = formwork::sigmoid(x);
    return dy * (s + y * (1 - s));
  }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::silu, X> silu(X const& x) { return apply<ops::silu>(x); }

}  // namespace formwork
