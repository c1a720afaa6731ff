// Tokens for steps of small models on two devices, and how far their results are apart.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace formwork::testing {

constexpr int training_vocabulary = 40;

// n tokens and the targets that they have.
struct training_data {
  std::vector<std::int32_t> tokens, targets;
  explicit training_data(long n) {
    for (long i = 0; i < n; ++i) {
      tokens.push_back(static_cast<std::int32_t>((i * i + 3) % training_vocabulary));
      targets.push_back(static_cast<std::int32_t>((i * i * i + 1) % training_vocabulary));
    }
  }
};

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
