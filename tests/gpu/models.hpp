// The models of the tests on a GPU. Each program that includes them has types of its own: g++ and nvcc may not share
// what they make of one.
#pragma once

#include "formwork/nn/gpt.hpp"
#include "formwork/nn/llama.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/train/training_step.hpp"

namespace {

struct tiny_gpt : formwork::gpt_config {
  static constexpr int vocabulary = 40, context = 24, layers = 2, heads = 2, width = 32;
};
struct tiny_llama : formwork::llama_config {
  static constexpr int vocabulary = 40, context = 24, layers = 2, heads = 4, kv_heads = 2, width = 32, hidden = 64;
};

}  // namespace
