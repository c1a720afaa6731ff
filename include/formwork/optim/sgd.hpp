// Stochastic gradient descent with momentum, with the semantics of PyTorch's torch.optim.SGD:
//   g <- g + w p               where the parameter decays
//   b <- g in the first step, u b + g afterwards
//   p <- p - r b               or, with Nesterov's look ahead (Sutskever et al. 2013), p - r (g + u b)
#pragma once

#include "../ops/add.hpp"
#include "../ops/subtract.hpp"
#include "update.hpp"

namespace formwork {

struct sgd_config {
  static constexpr double momentum = 0.9, weight_decay = 0;
  static constexpr bool nesterov = false;
};

// b starts at zero, which makes it g in the first step.
template <class Config = sgd_config> struct sgd_with {
  static constexpr int states = Config::momentum == 0 ? 0 : 1;  // b

  static std::array<float, 1> factors(float rate, long) { return {rate}; }

  static constexpr auto update(auto const& p, auto const& gradient, [[maybe_unused]] auto const& state,
                               auto const& factor, auto const& decays) {
    auto g = gradient + p * (decays * Config::weight_decay);
    if constexpr (states == 0) {
      return updated{p - factor[0] * g};
    } else {
      auto b = state[0] * Config::momentum + g;
      if constexpr (Config::nesterov)
        return updated{p - factor[0] * (g + b * Config::momentum), b};
      else
        return updated{p - factor[0] * b, b};
    }
  }
};
using sgd = sgd_with<>;

}  // namespace formwork
