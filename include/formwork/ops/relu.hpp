// y = x where x > 0, else 0; NaN stays NaN;  dx = dy where y > 0, else 0
#pragma once

#include "../core/math.hpp"
#include "greater.hpp"
#include "select.hpp"

namespace formwork {
namespace ops {

struct relu {
  static constexpr auto name = "relu";
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::select;
    return select(x < 0, decltype(x)(0), x);
  }
  static constexpr auto derivative(auto, auto y, auto dy) { return formwork::select(y > 0, dy, 0); }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::relu, X> relu(X const& x) { return apply<ops::relu>(x); }

}  // namespace formwork
