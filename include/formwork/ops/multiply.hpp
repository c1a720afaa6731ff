// z = x y;  dx = dz y, dy = dz x
#pragma once

#include <tuple>

#include "../program/apply.hpp"

namespace formwork {
namespace ops {

struct multiply {
  static constexpr auto name = "multiply";
  static constexpr bool commutative = true;
  FORMWORK_FN static constexpr auto value(auto x, auto y) { return x * y; }
  static constexpr auto derivative(auto x, auto y, auto, auto dz) { return std::tuple(dz * y, dz * x); }
};

}  // namespace ops

template <class X, class Y>
constexpr recorded<ops::multiply, X, Y> operator*(X const& x, Y const& y) { return apply<ops::multiply>(x, y); }

}  // namespace formwork
