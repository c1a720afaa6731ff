// How the weights of the models start, as types (see `parameter`): GPT-2's rule (Radford et al. 2019, 2.3).
#pragma once

#include "../trace/module.hpp"

namespace formwork {

namespace detail {
// Newton's iteration: std::sqrt is not constexpr.
constexpr double root(double x) {
  double y = x > 1 ? x : 1;
  for (int i = 0; i < 60; ++i) y = 0.5 * (y + x / y);
  return y;
}
}  // namespace detail

// Normal with standard deviation 0.02 / sqrt(2 Layers): for the projections that add to the residual stream,
// of which a model has two a layer, so that the stream's variance does not grow with depth.
template <long Layers> struct residual_normal {
  static constexpr initial start = initial::normal;
  static constexpr double scale = 0.02 / detail::root(2.0 * Layers);
};

}  // namespace formwork
