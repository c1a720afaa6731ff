// c = a && b: where both hold. Nothing is short-circuited: both operands are values.
#pragma once

#include "../program/apply.hpp"

namespace formwork {
namespace ops {

struct logical_and {
  static constexpr auto name = "logical_and";
  static constexpr dtype result = dtype::boolean;
  static constexpr bool commutative = true;
  FORMWORK_FN static constexpr auto value(auto a, auto b) { return a && b; }
};

}  // namespace ops

template <class A, class B>
constexpr recorded<ops::logical_and, A, B> operator&&(A const& a, B const& b) { return apply<ops::logical_and>(a, b); }

}  // namespace formwork
