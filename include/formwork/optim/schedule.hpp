// Learning rates over the steps of a run. rate(step) is that of step 0, 1, ..., steps - 1.
#pragma once

#include <cmath>
#include <concepts>

namespace formwork {

template <class T>
concept schedule = requires(T const s, long step) {
  { s.rate(step) } -> std::convertible_to<float>;
};

namespace optim {
// (step + 1) / warmup during the warm-up, so that no step has rate 0; -1 afterwards.
constexpr double warming(long step, long warmup) {
  return step < warmup ? static_cast<double>(step + 1) / static_cast<double>(warmup) : -1;
}
// How much of the way from the end of the warm-up to the last step is done, in [0, 1].
constexpr double progress(long step, long warmup, long steps) {
  if (steps - 1 <= warmup || step >= steps - 1) return step >= steps - 1 ? 1 : 0;
  return static_cast<double>(step - warmup) / static_cast<double>(steps - 1 - warmup);
}
}  // namespace optim

// Linear warm-up, then the same rate.
struct constant_rate {
  float peak = 1e-3f;
  long warmup = 0;
  constexpr float rate(long step) const {
    const double w = optim::warming(step, warmup);
    return w >= 0 ? static_cast<float>(peak * w) : peak;
  }
};

// Linear warm-up, then a straight line to `last`, which the last step has.
struct linear_decay {
  float peak = 1e-3f;
  float last = 0;
  long warmup = 0;
  long steps = 1;
  constexpr float rate(long step) const {
    if (const double w = optim::warming(step, warmup); w >= 0) return static_cast<float>(peak * w);
    const double done = optim::progress(step, warmup, steps);
    return static_cast<float>(peak + (static_cast<double>(last) - peak) * done);
  }
};

// Linear warm-up, then half a cosine to `last`, which the last step has (Loshchilov & Hutter 2017, eq. 5).
struct cosine_decay {
  float peak = 1e-3f;
  float last = 1e-4f;
  long warmup = 0;
  long steps = 1;
  float rate(long step) const {
    if (const double w = optim::warming(step, warmup); w >= 0) return static_cast<float>(peak * w);
    const double done = optim::progress(step, warmup, steps);
    return static_cast<float>(last + 0.5 * (static_cast<double>(peak) - last) *
                                         (1 + std::cos(3.14159265358979323846 * done)));
  }
};

}  // namespace formwork
