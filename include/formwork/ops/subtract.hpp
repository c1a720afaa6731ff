// z = x - y
#pragma once

#include "negate.hpp"

namespace formwork {
namespace ops {

struct subtract {
  static constexpr auto name = "subtract";
  FORMWORK_FN static constexpr auto value(auto x, auto y) { return x - y; }
  static constexpr auto derivative(auto, auto, auto, auto dz) { return std::tuple(dz, -dz); }
};

}  // namespace ops

template <class X, class Y>
constexpr recorded<ops::subtract, X, Y> operator-(X const& x, Y const& y) { return apply<ops::subtract>(x, y); }

}  // namespace formwork
