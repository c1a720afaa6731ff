// sample: draws a token from logits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "../core/philox.hpp"

namespace formwork {

struct sampling {
  double temperature = 1;  // above 0; 0 takes the most likely token
  long top_k = 0;          // only the k most likely tokens; 0: all
  std::uint64_t seed = 0;
};

// Draws from softmax(logits / temperature), restricted to the top_k largest logits (equal ones: the smaller number
// first; Fan et al. 2018). Draw number `index` depends on nothing but the logits, the settings and index. After
// construction nothing is allocated.
class sampler {
 public:
  // Throws std::invalid_argument for settings out of range.
  sampler(const sampling& settings, std::size_t vocabulary) : settings_(settings), order_(vocabulary), weight_(vocabulary) {
    if (!(settings.temperature >= 0 && std::isfinite(settings.temperature)))
      throw std::invalid_argument("The temperature is " + std::to_string(settings.temperature) + "; choose a number from 0 on.");
    if (settings.top_k < 0 || static_cast<std::size_t>(settings.top_k) > vocabulary)
      throw std::invalid_argument("top-k is " + std::to_string(settings.top_k) + "; choose 0 (all tokens) or a number up to " +
                                  std::to_string(vocabulary) + ".");
  }

  // Throws std::runtime_error when a logit is not a number.
  std::int32_t operator()(std::span<const float> logits, std::uint64_t index) {
    for (const float z : logits)
      if (std::isnan(z)) throw std::runtime_error("The model's logits are not numbers; use a checkpoint from before its loss diverged.");
    const auto likelier = [&](std::int32_t a, std::int32_t b) {
      const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
      return x > y || (x == y && a < b);
    };
    std::iota(order_.begin(), order_.end(), 0);
    const std::size_t kept = settings_.top_k > 0 ? static_cast<std::size_t>(settings_.top_k) : order_.size();
    std::partial_sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(settings_.temperature == 0 ? 1 : kept), order_.end(), likelier);
    if (settings_.temperature == 0) return order_[0];
    const double top = logits[static_cast<std::size_t>(order_[0])];
    double sum = 0;
    for (std::size_t i = 0; i < kept; ++i)
      weight_[i] = sum += std::exp((logits[static_cast<std::size_t>(order_[i])] - top) / settings_.temperature);
    const auto chosen = std::upper_bound(weight_.begin(), weight_.begin() + static_cast<std::ptrdiff_t>(kept), uniform(index) * sum);
    return order_[std::min(static_cast<std::size_t>(chosen - weight_.begin()), kept - 1)];
  }

 private:
  // 53 bits in [0, 1).
  double uniform(std::uint64_t index) const {
    constexpr std::uint64_t stream = 0x73616d706c650000u;  // apart from the streams of training
    const auto x = philox::block_of(settings_.seed, stream, index);
    return std::ldexp(static_cast<double>((std::uint64_t{x.word[0]} << 32 | x.word[1]) >> 11), -53);
  }

  sampling settings_;
  std::vector<std::int32_t> order_;
  std::vector<double> weight_;  // running sums
};

}  // namespace formwork
