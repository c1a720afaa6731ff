// y = tanh(x);  dx = dy (1 - y^2)
#pragma once

#include "../core/math.hpp"
#include "multiply.hpp"
#include "subtract.hpp"

namespace formwork {
namespace ops {

struct tanh {
  static constexpr auto name = "tanh";
  static constexpr int flops = 16;
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::tanh;
    return tanh(x);
  }
  static constexpr auto derivative(auto, auto y, auto dy) { return dy * (1 - y * y); }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::tanh, X> tanh(X const& x) { return apply<ops::tanh>(x); }

}  // namespace formwork
