// step_exchange: the small block through which the host talks to a step: what a step is told, then what it answers.
// Everything begins at a multiple of 64 bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../kernels/launch.hpp"
#include "training.hpp"

namespace formwork {

template <class Run> class step_exchange {
  static constexpr std::size_t padded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }
  static constexpr std::size_t passes = static_cast<std::size_t>(Run::passes);
  static constexpr std::size_t token_bytes = padded(static_cast<std::size_t>(Run::pass_tokens) * sizeof(std::int32_t));

  // Told:
  static constexpr std::size_t random_at = 0;
  static constexpr std::size_t numbers_at = random_at + padded(passes * sizeof(random_state));
  static constexpr std::size_t factors_at = numbers_at + padded(run_programs<Run>::optimizer::numbers * sizeof(float));
  static constexpr std::size_t tokens_at = factors_at + 64 * passes;
  static constexpr std::size_t targets_at = tokens_at + passes * token_bytes;

 public:
  // Answered:
  static constexpr std::size_t told_bytes = targets_at + passes * token_bytes;

 private:
  static constexpr std::size_t sum_at = told_bytes;
  static constexpr std::size_t scale_at = sum_at + 64;
  static constexpr std::size_t losses_at = scale_at + 64;

 public:
  static constexpr std::size_t bytes = losses_at + padded(passes * sizeof(float));

  explicit step_exchange(std::byte* begin) : begin_(begin) {}

  random_state* random() const { return at<random_state>(random_at); }          // of each pass
  float* numbers() const { return at<float>(numbers_at); }                      // of the optimizer
  float* factor(long pass) const { return at<float>(factors_at + 64 * static_cast<std::size_t>(pass)); }
  std::int32_t* tokens(long pass) const { return at<std::int32_t>(tokens_at + static_cast<std::size_t>(pass) * token_bytes); }
  std::int32_t* targets(long pass) const { return at<std::int32_t>(targets_at + static_cast<std::size_t>(pass) * token_bytes); }
  float* square_sum() const { return at<float>(sum_at); }                       // of the gradients
  float* loss_scale() const { return at<float>(scale_at); }                     // of the next step, where the loss is scaled
  float* losses() const { return at<float>(losses_at); }                        // of each pass

  void take_pass(long pass, std::span<const std::int32_t> from_tokens, std::span<const std::int32_t> from_targets) const {
    std::copy(from_tokens.begin(), from_tokens.end(), tokens(pass));
    std::copy(from_targets.begin(), from_targets.end(), targets(pass));
  }

 private:
  std::byte* begin_;
  template <class T> T* at(std::size_t offset) const { return reinterpret_cast<T*>(begin_ + offset); }
};

}  // namespace formwork
