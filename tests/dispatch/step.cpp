// A whole training step as object code, which check.sh reads: gradients, their norm, the update, and the evaluation
// of a GPT with dropout.
#include "formwork/backend/cpu/cpu.hpp"
#include "formwork/nn/gpt.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/train/training.hpp"

namespace {
struct tiny : formwork::gpt_config {
  static constexpr int vocabulary = 64, context = 32, layers = 2, heads = 2, width = 32;
  static constexpr double dropout = 0.1;
};
using run = formwork::training<formwork::gpt<tiny>, formwork::adamw, formwork::batch<2>, formwork::cpu_device>;
using programs = formwork::run_programs<run>;
}  // namespace

void one_step(formwork::step_memory const& memory, float* states, float* numbers, float* square_sum) {
  programs::training_step::run(memory);
  programs::evaluation_step::run(memory);
  auto* parameters = reinterpret_cast<float*>(memory.parameters);
  auto* gradients = reinterpret_cast<float*>(memory.gradients);
  programs::optimizer::square_sum(gradients, square_sum, memory.workspace);
  programs::optimizer::update(parameters, gradients, states, numbers, square_sum, nullptr, memory.workspace);
}
