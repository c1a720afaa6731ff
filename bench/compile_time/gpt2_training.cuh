// The whole training program of GPT-2's width in bf16 at a given depth, as nvcc sees it: 12 layers are GPT-2 124M.
#pragma once

#include "formwork/backend/cuda/cuda.hpp"
#include "formwork/nn/gpt.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/train/training_step.hpp"

template <int Layers> struct deep_gpt2 : formwork::gpt2_124m_config {
  static constexpr int layers = Layers;
};

template <int Layers> int train_once() {
  using run = formwork::training<formwork::gpt<deep_gpt2<Layers>>, formwork::adamw, formwork::batch<4, 1024>,
                                 formwork::cuda_device, formwork::mixed<formwork::dtype::bf16>>;
  static formwork::training_step<run> step(1);
  static std::int32_t tokens[4 * 1024], targets[4 * 1024];
  return step.step(tokens, targets, 1e-3f).loss > 0 ? 0 : 1;
}
