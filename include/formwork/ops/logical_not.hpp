// c = !a
#pragma once

#include "../program/apply.hpp"

namespace formwork {
namespace ops {

struct logical_not {
  static constexpr auto name = "logical_not";
  static constexpr dtype result = dtype::boolean;
  FORMWORK_FN static constexpr auto value(auto a) { return !a; }
};

}  // namespace ops

template <class A> constexpr recorded<ops::logical_not, A> operator!(A const& a) { return apply<ops::logical_not>(a); }

}  // namespace formwork
