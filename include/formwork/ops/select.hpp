// z = x where c holds, y elsewhere
#pragma once

#include <tuple>

#include "../core/math.hpp"
#include "../program/apply.hpp"

namespace formwork {
namespace ops {

struct select {
  static constexpr auto name = "select";
  static constexpr bool condition = true;
  FORMWORK_FN static constexpr auto value(auto c, auto x, auto y) {
    using math::select;
    return select(c, x, y);
  }
  static constexpr auto derivative(auto c, auto, auto, auto, auto dz) {
    return std::tuple(no_gradient{}, apply<select>(c, dz, 0), apply<select>(c, 0, dz));
  }
};

}  // namespace ops

template <class C, class X, class Y>
FORMWORK_FN constexpr applied<ops::select, C, X, Y> select(C const& c, X const& x, Y const& y) {
  return apply<ops::select>(c, x, y);
}

}  // namespace formwork
