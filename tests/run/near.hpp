// Comparison of a result with f64 truth. The check must also reject zeros, a result that is 1% off, and two
// exchanged elements, or it proves nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <vector>

#include "formwork/tensor/tensor.hpp"

namespace formwork::testing {

inline constexpr double f32_epsilon = std::numeric_limits<float>::epsilon() / 2.0, f64_epsilon = std::numeric_limits<double>::epsilon() / 2.0;

// Largest error over the largest magnitude of the truth.
inline double worst(std::vector<double> const& got, std::vector<double> const& truth) {
  double error = 0, most = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const double e = std::abs(got[i] - truth[i]);
    error = std::isnan(e) ? INFINITY : std::max(error, e);
    most = std::max(most, std::abs(truth[i]));
  }
  return error / (most > 0 ? most : 1);
}

// `roundings`: roundings, of at most `epsilon` each, that may add up in one element.
inline bool near(std::vector<double> const& got, std::vector<double> const& truth, double roundings, double epsilon = f32_epsilon) {
  const double tolerance = roundings * epsilon;
  auto fits = [&](std::vector<double> const& x) { return x.size() == truth.size() && worst(x, truth) <= tolerance; };
  auto zeros = truth, off = truth, exchanged = truth;
  std::fill(zeros.begin(), zeros.end(), 0.0);
  for (double& x : off) x *= 1.01;
  auto [low, high] = std::minmax_element(exchanged.begin(), exchanged.end());
  const bool constant = *low == *high;
  std::swap(*low, *high);
  return fits(got) && !fits(zeros) && !fits(off) && (constant || !fits(exchanged));
}

template <class X> std::vector<double> values(X const& x) {
  auto v = as_view(x);
  std::vector<double> r;
  auto walk = [&](auto const& self, int axis, long offset) -> void {
    if (axis == v.rank) return r.push_back(static_cast<double>(v.data()[offset]));
    for (long i = 0; i < v.shape.size[axis]; ++i) self(self, axis + 1, offset + i * v.stride.size[axis]);
  };
  walk(walk, 0, 0);
  return r;
}

template <class Shape, class T = float> tensor<T, Shape> random_tensor(unsigned seed, float spread = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<T> normal(0, static_cast<T>(spread));
  tensor<T, Shape> t(uninitialized);
  for (long i = 0; i < t.elements; ++i) t.data()[i] = normal(random);
  return t;
}

// f(i) for i = 0, ..., n - 1.
template <class F> std::vector<double> truth(long n, F const& f) {
  std::vector<double> r;
  for (long i = 0; i < n; ++i) r.push_back(f(i));
  return r;
}

inline double gelu(double x) { return 0.5 * x * std::erfc(-x * std::sqrt(0.5)); }

}  // namespace formwork::testing
