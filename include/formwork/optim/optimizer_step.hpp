// optimizer_step: an optimizer compiled for one arena: the norm of the gradients, and the update in place.
#pragma once

#include "../run/step.hpp"
#include "update.hpp"

namespace formwork {

template <optimizer Optimizer, class Device, long Elements, long Decayed> struct optimizer_step {
  using norm_program = step<compiled<optim::square_sum_source<Elements>>, Device>;
  using update_program = step<compiled<optim::update_source<Optimizer, Elements, Decayed>>, Device>;

  static constexpr long elements = Elements;
  static constexpr long state_elements = Optimizer::states * Elements;  // all states, one after the other
  static constexpr std::size_t workspace_bytes =
      norm_program::workspace_bytes > update_program::workspace_bytes ? norm_program::workspace_bytes
                                                                      : update_program::workspace_bytes;
  static constexpr long launches = norm_program::launches + update_program::launches;

  // Sum of the squares of all gradients, in an order that only Elements decides.
  static float square_sum(float* gradients, std::byte* workspace) {
    float total = 0;
    void* inputs[] = {gradients};
    void* outputs[] = {&total};
    norm_program::run({.workspace = workspace, .inputs = inputs, .outputs = outputs});
    return total;
  }

  // One step on gradients * scale; number is 1 in the first. All arenas are 64-byte aligned.
  static void update(float* parameters, float* gradients, float* states, std::byte* workspace, float rate,
                     float scale, long number) {
    constexpr int count = factor_count<Optimizer>;
    std::array<float, count> factors{};
    const auto own = Optimizer::factors(rate, number);
    for (std::size_t k = 0; k + 1 < factors.size(); ++k) factors[k] = own[k];
    factors[count - 1] = scale;
    void* inputs[] = {parameters, gradients, states, factors.data()};
    void* outputs[1 + Optimizer::states] = {parameters};
    for (int k = 0; k < Optimizer::states; ++k) outputs[1 + k] = states + k * Elements;
    update_program::run({.workspace = workspace, .inputs = inputs, .outputs = outputs});
  }
};

}  // namespace formwork
