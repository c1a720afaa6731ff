// AdamW (Loshchilov & Hutter 2019, alg. 2), with the semantics of PyTorch's torch.optim.AdamW:
//   p <- p (1 - r w)           where the parameter decays
//   m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2
//   p <- p - r / (1 - b1^t)  m / (sqrt(v) / sqrt(1 - b2^t) + e)
// r is the learning rate, t the step (1, 2, ...).
#pragma once

#include <cmath>

#include "../ops/divide.hpp"
#include "../ops/sqrt.hpp"
#include "../ops/square.hpp"
#include "../ops/subtract.hpp"
#include "update.hpp"

namespace formwork {

// What is usual for language models (Brown et al. 2020, appendix B). Derive from it to change a number:
//   struct slow : formwork::adamw_config { static constexpr double beta_2 = 0.999; };
//   using optimizer = formwork::adamw_with<slow>;
struct adamw_config {
  static constexpr double beta_1 = 0.9, beta_2 = 0.95, epsilon = 1e-8, weight_decay = 0.1;
};

template <class Config = adamw_config> struct adamw_with {
  static constexpr int states = 2;  // m, v

  static std::array<float, 3> factors(float rate, long step) {
    const double c1 = 1 - std::pow(Config::beta_1, static_cast<double>(step));
    const double c2 = 1 - std::pow(Config::beta_2, static_cast<double>(step));
    return {static_cast<float>(rate * Config::weight_decay), static_cast<float>(rate / c1),
            static_cast<float>(1 / std::sqrt(c2))};
  }

  static constexpr auto update(auto const& p, auto const& g, auto const& state, auto const& factor,
                               auto const& decays) {
    auto m = state[0] * Config::beta_1 + g * (1 - Config::beta_1);
    auto v = state[1] * Config::beta_2 + square(g) * (1 - Config::beta_2);
    auto kept = p * (1 - factor[0] * decays);
    return updated{kept - factor[1] * m / (sqrt(v) * factor[2] + Config::epsilon), m, v};
  }
};
using adamw = adamw_with<>;

}  // namespace formwork
