// How far an f32 computation of a program may be from its f64 values: random rounding (Vignes 1974; Parker 1997). The
// program runs with every result and every partial sum rounded to the nearest, and several times up or down by chance;
// the largest distance that an output then has from f64 says how large errors of rounding become on their way to it,
// through sums of any length and through cancellation. A program without rounding errors must be met exactly.
#pragma once

#include <algorithm>
#include <cmath>
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
  bool has_teeth() const {
    std::vector<double> wrong(exact.size(), 0.0);
    if (distance(wrong) <= 1) return false;
    for (std::size_t i = 0; i < exact.size(); ++i) wrong[i] = 1.01 * exact[i];
    if (distance(wrong) <= 1) return false;
    const std::size_t n = static_cast<std::size_t>(row);
    for (std::size_t i = 0; i + 2 * n <= exact.size(); i += n) {
      wrong = exact;
      std::swap_ranges(wrong.begin() + static_cast<long>(i), wrong.begin() + static_cast<long>(i + n), wrong.begin() + static_cast<long>(i + n));
      if (wrong != exact) return distance(wrong) > 1;
    }
    return true;
  }
};

struct rounding_options {
  // A sample's error is that of rounding one unit in the last place, twice that of rounding to the nearest. Eight
  // samples all miss the error of a single number by a factor of 4 in two of a million cases (if it is normal).
  unsigned samples = 8;
  double factor = 4;
};

// prepare(interpreter&) sets inputs, parameters and random numbers.
template <class Prepare> std::vector<bounded_output> rounding_bounds(graph const& g, Prepare const& prepare, rounding_options o = {}) {
  auto once = [&](rounding r) {
    interpreter run(g, r);
    prepare(run);
    run.run();
    return run;
  };
  std::vector<bounded_output> all;
  interpreter exact = once(rounding::none);
  for (std::size_t k = 0; k < g.outputs.size(); ++k) {
    dims const& d = g[g.outputs[k].node].shape;
    all.push_back({exact.output(k), 0, d.rank > 0 ? d[-1] : 1});
  }
  for (unsigned n = 0; n <= o.samples; ++n) {
    interpreter sample = once(n == 0 ? rounding::every_result : either_way(n));
    for (std::size_t k = 0; k < all.size(); ++k)
      for (std::size_t i = 0; i < all[k].exact.size(); ++i)
        all[k].allowed = std::max(all[k].allowed, o.factor * std::abs(sample.output(k)[i] - all[k].exact[i]));
  }
  return all;
}

}  // namespace formwork::testing
