// y = x^2;  dx = 2 x dy
#pragma once

#include "multiply.hpp"

namespace formwork {
namespace ops {

struct square {
  static constexpr auto name = "square";
  FORMWORK_FN static constexpr auto value(auto x) { return x * x; }
  static constexpr auto derivative(auto x, auto, auto dy) { return dy * (2 * x); }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::square, X> square(X const& x) { return apply<ops::square>(x); }

}  // namespace formwork
