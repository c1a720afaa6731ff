// y = 1 where x > 0, -1 where x < 0, else 0. Its derivative is 0 wherever there is one.
#pragma once

#include "../core/math.hpp"
#include "../program/apply.hpp"

namespace formwork {
namespace ops {

struct sign {
  static constexpr auto name = "sign";
  static constexpr int flops = 2;
  FORMWORK_FN static constexpr auto value(auto x) {
    using math::select;
    using T = decltype(x);
    return select(x > 0, T(1), select(x < 0, T(-1), T(0)));
  }
};

}  // namespace ops

template <class X> FORMWORK_FN constexpr applied<ops::sign, X> sign(X const& x) { return apply<ops::sign>(x); }

}  // namespace formwork
