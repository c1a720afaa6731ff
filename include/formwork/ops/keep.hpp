// y = x, and a choice for the differentiated loop that holds x: its value is kept for every iteration, whatever
// rematerialize would choose.
#pragma once

#include "../program/apply.hpp"

namespace formwork {
namespace ops {

struct keep {
  static constexpr auto name = "keep";
  FORMWORK_FN static constexpr auto value(auto x) { return x; }
  static constexpr auto derivative(auto, auto, auto dy) { return dy; }
};

}  // namespace ops

template <class X>
FORMWORK_FN constexpr applied<ops::keep, X> keep(X const& x) { return apply<ops::keep>(x); }

}  // namespace formwork
