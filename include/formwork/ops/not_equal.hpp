// z = x != y, a boolean
#pragma once

#include "../program/apply.hpp"

namespace formwork {
namespace ops {

struct not_equal {
  static constexpr auto name = "not_equal";
  static constexpr dtype result = dtype::boolean;
  static constexpr bool commutative = true;
  FORMWORK_FN static constexpr auto value(auto x, auto y) { return x != y; }
};

}  // namespace ops

template <class X, class Y>
constexpr recorded<ops::not_equal, X, Y> operator!=(X const& x, Y const& y) { return apply<ops::not_equal>(x, y); }

}  // namespace formwork
