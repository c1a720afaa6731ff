// How far two results are apart.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

namespace formwork::testing {

// The root of the sum of squared differences over that of b's squares.
inline double distance(std::span<const float> a, std::span<const float> b) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error += std::pow(static_cast<double>(a[i]) - b[i], 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(error / norm);
}

}  // namespace formwork::testing
