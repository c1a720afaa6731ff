// How far an f32 computation of a program may be from its f64 values: random rounding (Vignes 1974; Parker 1997). The
// program runs with every result and every partial sum rounded to the nearest, and several times up or down by chance;
// the largest distance that an output then has from f64 says how large errors of rounding become on their way to it,
// through sums of any length and through cancellation. A program without rounding errors must be met exactly.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "interpreter.hpp"

namespace formwork::testing {

struct bounded_output {
  std::vector<double> exact;
  double allowed = 0;  // distance of any element
  long row = 1;        // elements along the last axis

  double size() const {
    double m = 0;
    for (double x : exact) m = std::max(m, std::abs(x));
    return m;
  }
  // The largest distance, as a part of what is allowed.
  template <class T> double distance(std::vector<T> const& got) const {
    double m = got.size() == exact.size() ? 0 : INFINITY;
    for (std::size_t i = 0; i < std::min(got.size(), exact.size()); ++i) {
      double d = std::abs(static_cast<double>(got[i]) - exact[i]);
      if (d > m || d != d) m = d == d ? d : INFINITY;
    }
    return m == 0 ? 0 : m / allowed;
  }
  // Would zeros, a result that is 1% off and two exchanged rows (where rows differ) be rejected?
  bool has_teeth() const;
};

struct rounding_options {
  // A sample's error is that of rounding one unit in the last place, twice that of rounding to the nearest. Eight
  // samples all miss the error of a single number by a factor of 4 in two of a million cases (if it is normal).
  unsigned samples = 8;
  double factor = 4;
};

// prepare sets inputs, parameters and random numbers.
std::vector<bounded_output> rounding_bounds(graph const& g, std::function<void(interpreter&)> const& prepare, rounding_options o = {});

}  // namespace formwork::testing
