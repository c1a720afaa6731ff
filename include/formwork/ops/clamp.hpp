// y = min(max(x, low), high);  the gradient goes to x where low <= x <= high, else to the bound that y is.
// Where low > high, y is high.
#pragma once

#include "../core/math.hpp"
#include "greater.hpp"
#include "less.hpp"
#include "less_equal.hpp"
#include "logical_and.hpp"
#include "logical_or.hpp"
#include "select.hpp"

namespace formwork {
namespace ops {

struct clamp {
  static constexpr auto name = "clamp";
  static constexpr int arity = 3;
  static constexpr int flops = 2;
  FORMWORK_FN static constexpr auto value(auto x, auto low, auto high) {
    using math::max;
    using math::min;
    return min(max(x, low), high);
  }
  static constexpr auto derivative(auto x, auto low, auto high, auto, auto dy) {
    return std::tuple(formwork::select(low <= x && x <= high, dy, 0),
                      formwork::select(x < low && low <= high, dy, 0),
                      formwork::select(x > high || low > high, dy, 0));
  }
};

}  // namespace ops

template <class X, class Low, class High>
FORMWORK_FN constexpr applied<ops::clamp, X, Low, High> clamp(X const& x, Low const& low, High const& high) {
  return apply<ops::clamp>(x, low, high);
}

}  // namespace formwork
