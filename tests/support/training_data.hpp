// Tokens for steps of small models.
#pragma once

#include <cstdint>
#include <vector>

namespace formwork::testing {

constexpr int training_vocabulary = 40;

// n tokens and the targets that they have.
struct training_data {
  std::vector<std::int32_t> tokens, targets;
  explicit training_data(long n, long first = 3) {
    for (long i = 0; i < n; ++i) {
      tokens.push_back(static_cast<std::int32_t>((i * i + first) % training_vocabulary));
      targets.push_back(static_cast<std::int32_t>((i * i * i + 1) % training_vocabulary));
    }
  }
};

}  // namespace formwork::testing
