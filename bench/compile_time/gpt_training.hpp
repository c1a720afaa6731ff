// The whole training program of a GPT of a given depth, as its user's translation unit would hold it.
#pragma once

#include "formwork/backend/cpu/cpu.hpp"
#include "formwork/nn/gpt.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/train/training_step.hpp"

template <int Layers> struct deep_gpt : formwork::gpt_config {
  static constexpr int vocabulary = 256, context = 256, layers = Layers, heads = 6, width = 384;
};

template <int Layers> int train_once() {
  using run = formwork::training<formwork::gpt<deep_gpt<Layers>>, formwork::adamw, formwork::batch<8>, formwork::cpu_device>;
  static formwork::training_step<run> step(1);
  static std::int32_t tokens[8 * 256], targets[8 * 256];
  const float loss = step.gradients(tokens, targets);
  return loss > 0 && step.update(1e-3f).applied ? 0 : 1;
}
