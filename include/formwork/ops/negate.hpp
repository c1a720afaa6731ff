// y = -x
#pragma once

#include "../program/apply.hpp"

namespace formwork {
namespace ops {

struct negate {
  static constexpr auto name = "negate";
  FORMWORK_FN static constexpr auto value(auto x) { return -x; }
  static constexpr auto derivative(auto, auto, auto dy) { return apply<negate>(dy); }
};

}  // namespace ops

template <class X> constexpr recorded<ops::negate, X> operator-(X const& x) { return apply<ops::negate>(x); }

}  // namespace formwork
