// z = x >= y, a boolean
#pragma once

#include "../program/apply.hpp"

namespace formwork {
namespace ops {

struct greater_equal {
  static constexpr auto name = "greater_equal";
  static constexpr dtype result = dtype::boolean;
  FORMWORK_FN static constexpr auto value(auto x, auto y) { return x >= y; }
};

}  // namespace ops

template <class X, class Y>
constexpr recorded<ops::greater_equal, X, Y> operator>=(X const& x, Y const& y) {
  return apply<ops::greater_equal>(x, y);
}

}  // namespace formwork
