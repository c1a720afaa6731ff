// y = x, and a choice for the differentiated loop that holds x: its value is computed again in the backward loop,
// whatever rematerialize would choose.
#pragma once

#include "../program/apply.hpp"

namespace formwork {
namespace ops {

struct recompute {
  static constexpr auto name = "recompute";
  FORMWORK_FN static constexpr auto value(auto x) { return x; }
  static constexpr auto derivative(auto, auto, auto dy) { return dy; }
};

}  // namespace ops

template <class X>
FORMWORK_FN constexpr applied<ops::recompute, X> recompute(X const& x) { return apply<ops::recompute>(x); }

}  // namespace formwork
