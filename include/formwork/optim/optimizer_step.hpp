// optimizer_step: an optimizer compiled for one arena: the norm of the gradients, and the update in place. What is
// decided about a step, clipping and whether it is done at all, is decided by its kernels.
#pragma once

#include "../run/step.hpp"
#include "loss_scale.hpp"

namespace formwork {

template <optimizer Optimizer, class Device, long Elements, long Decayed, dtype Storage = dtype::f32> struct optimizer_step {
  using norm_program = step<compiled<optim::square_sum_source<Elements>>, Device>;
  static constexpr bool scaled = scales_loss<Storage>;
  using update_program = step<compiled<optim::update_source<Optimizer, Elements, Decayed, Storage, scaled>>, Device>;

  using copy_program = step<compiled<optim::copy_source<Elements, Storage>>, Device>;
  static constexpr bool copies = Storage != dtype::f32;  // the model reads 16-bit copies

  static constexpr long elements = Elements;
  static constexpr long state_elements = Optimizer::states * Elements;  // all states, one after the other
  static constexpr std::size_t workspace_bytes =
      norm_program::workspace_bytes > update_program::workspace_bytes ? norm_program::workspace_bytes
                                                                      : update_program::workspace_bytes;

  // What one update is told: its number is 1 in the first; that of a step counts those that were left out as well.
  static constexpr int numbers = number_count<Optimizer> + (scaled ? 1 : 0);
  static std::array<float, static_cast<std::size_t>(numbers)> numbers_of(float rate, long number, float largest_norm, long step_number = 1) {
    std::array<float, static_cast<std::size_t>(numbers)> all{};
    const auto own = Optimizer::factors(rate, number);
    for (std::size_t k = 0; k < own.size(); ++k) all[k] = own[k];
    all[own.size()] = largest_norm;
    if constexpr (scaled) all.back() = loss_scale_growth(step_number);
    return all;
  }

  using loss_scale_program = step<compiled<optim::loss_scale_source<numbers>>, Device>;
  static constexpr long launches = norm_program::launches + update_program::launches + [] {
    if constexpr (scaled) return loss_scale_program::launches;
    else return 0;
  }();

  // Sum of the squares of all gradients, in an order that only Elements decides.
  static void square_sum(float* gradients, float* sum, std::byte* workspace, void* queue = nullptr) {
    void* inputs[] = {gradients};
    void* outputs[] = {sum};
    norm_program::run({.workspace = workspace, .inputs = inputs, .outputs = outputs, .queue = queue});
  }

  // One step on gradients whose squares have that sum. Arenas are 64-byte aligned, numbers and sum 16-byte. to_copies:
  // of the parameters, where there are any. loss_scale: of the gradients, where the loss is scaled.
  static void update(float* parameters, float* gradients, float* states, float* numbers, float* square_sum, std::byte* to_copies, std::byte* workspace, void* queue = nullptr,
                     float* loss_scale = nullptr) {
    void* inputs[] = {parameters, gradients, states, numbers, square_sum, loss_scale};
    void* outputs[1 + Optimizer::states + copies] = {parameters};
    for (int k = 0; k < Optimizer::states; ++k) outputs[1 + k] = states + k * Elements;
    if constexpr (copies) outputs[1 + Optimizer::states] = to_copies;
    update_program::run({.workspace = workspace, .inputs = inputs, .outputs = outputs, .queue = queue});
  }

  // The scale of the loss from the next step on, in its place and once more where the host reads it.
  static void next_loss_scale(float* loss_scale, float* square_sum, float* numbers, float* told, std::byte* workspace, void* queue = nullptr)
    requires scaled
  {
    void* inputs[] = {loss_scale, square_sum, numbers};
    void* outputs[] = {loss_scale, told};
    loss_scale_program::run({.workspace = workspace, .inputs = inputs, .outputs = outputs, .queue = queue});
  }

  static void copy(float* parameters, std::byte* to_copies, std::byte* workspace, void* queue = nullptr) {
    void* inputs[] = {parameters};
    void* outputs[] = {to_copies};
    copy_program::run({.workspace = workspace, .inputs = inputs, .outputs = outputs, .queue = queue});
  }
};

}  // namespace formwork
