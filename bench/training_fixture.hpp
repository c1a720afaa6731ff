// A training run and one batch of random tokens.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "formwork/train/training_step.hpp"

namespace formwork::bench {

template <class Run> struct training_fixture {
  training_step<Run> step{1};
  std::vector<std::int32_t> tokens, targets;

  training_fixture() : tokens(static_cast<std::size_t>(Run::tokens)), targets(tokens.size()) {
    std::mt19937 random(7);
    for (auto& t : tokens) t = static_cast<std::int32_t>(random() % static_cast<unsigned long>(Run::vocabulary));
    for (auto& t : targets) t = static_cast<std::int32_t>(random() % static_cast<unsigned long>(Run::vocabulary));
  }
  void begin() { step.begin(tokens, targets, 1e-4f); }
  step_result once() { return step.step(tokens, targets, 1e-4f); }
};

}  // namespace formwork::bench
