// z = x + y
#pragma once

#include <tuple>

#include "../program/apply.hpp"

namespace formwork {
namespace ops {

struct add {
  static constexpr auto name = "add";
  static constexpr bool commutative = true;
  FORMWORK_FN static constexpr auto value(auto x, auto y) { return x + y; }
  static constexpr auto derivative(auto, auto, auto, auto dz) { return std::tuple(dz, dz); }
};

}  // namespace ops

template <class X, class Y>
constexpr recorded<ops::add, X, Y> operator+(X const& x, Y const& y) { return apply<ops::add>(x, y); }

}  // namespace formwork
