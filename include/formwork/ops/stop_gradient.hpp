// y = x, but a constant for the differentiation: nothing flows back through it.
#pragma once

#include "../program/apply.hpp"

namespace formwork {
namespace ops {

struct stop_gradient {
  static constexpr auto name = "stop_gradient";
  FORMWORK_FN static constexpr auto value(auto x) { return x; }
};

}  // namespace ops

template <class X>
FORMWORK_FN constexpr applied<ops::stop_gradient, X> stop_gradient(X const& x) { return apply<ops::stop_gradient>(x); }

}  // namespace formwork
