// z = x / y;  dx = dz / y, dy = -z dx
#pragma once

#include "multiply.hpp"
#include "negate.hpp"

namespace formwork {
namespace ops {

struct divide {
  static constexpr auto name = "divide";
  static constexpr int flops = 4;
  FORMWORK_FN static constexpr auto value(auto x, auto y) { return x / y; }
  static constexpr auto derivative(auto, auto y, auto z, auto dz) {
    auto dx = apply<divide>(dz, y);
    return std::tuple(dx, -(z * dx));
  }
};

}  // namespace ops

template <class X, class Y>
constexpr recorded<ops::divide, X, Y> operator/(X const& x, Y const& y) { return apply<ops::divide>(x, y); }

}  // namespace formwork
