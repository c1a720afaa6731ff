// y = the largest integer that is not above x. Its derivative is 0 wherever there is one.
#pragma once

#include "../core/math.hpp"
#include "../program/apply.hpp"

namespace formwork {
namespace ops {

struct floor {
  static constexpr auto name = "floor";
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::floor;
    return floor(x);
  }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::floor, X> floor(X const& x) { return apply<ops::floor>(x); }

}  // namespace formwork
