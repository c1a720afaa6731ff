// Training with 16-bit storage beside training in f32.
#pragma once

#include "formwork/train/training_step.hpp"
#include "support/catch.hpp"
#include "support/distance.hpp"
#include "support/training_data.hpp"

namespace formwork::testing {

// Five steps of two runs of one model, F32 and Half, whose parameters begin alike and are stored with relative errors of at
// most half_unit: loss and gradients are those of f32 but for the bits of the storage, and training goes the same way.
template <class F32, class Half> void check_mixed(double half_unit, training_step<F32>& f32, training_step<Half>& half, training_data const& d) {
  const step_result a = f32.step(d.tokens, d.targets, 1e-2f), b = half.step(d.tokens, d.targets, 1e-2f);
  CHECK(std::abs(a.loss - b.loss) <= 4 * half_unit * a.loss);
  // A gradient is behind some 30 stored values, whose errors add up like a random walk.
  std::vector<float> gradients(half.gradient_values().begin(), half.gradient_values().end());
  for (float& g : gradients) g /= b.loss_scale;
  const double apart = distance(gradients, f32.gradient_values());
  CAPTURE(apart);
  CHECK(apart <= 12 * half_unit);
  CHECK(apart >= half_unit / 8);  // it is not f32
  float last_f32 = 0, last_half = 0;
  for (int i = 0; i < 4; ++i) {
    last_f32 = f32.step(d.tokens, d.targets, 1e-2f).loss;
    last_half = half.step(d.tokens, d.targets, 1e-2f).loss;
  }
  CHECK(last_half < 0.9f * a.loss);
  CHECK(std::abs(last_half - last_f32) <= 0.02f * a.loss);
}

}  // namespace formwork::testing
