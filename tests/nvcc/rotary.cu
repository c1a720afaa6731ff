// The training step of a small Llama in bf16 as nvcc sees it: sines and cosines in the kernels of rotary positions.
#include "formwork/backend/cuda/cuda.hpp"
#include "formwork/nn/llama.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/train/training_step.hpp"

using namespace formwork;

namespace {

struct small : llama_config {
  static constexpr int vocabulary = 256, context = 128, layers = 2, heads = 4, kv_heads = 2, width = 256, hidden = 704;
};
using run = training<llama<small>, adamw, batch<4>, cuda_device, mixed<dtype::bf16>>;

}  // namespace

float one_step(training_step<run>& step, std::span<const std::int32_t> tokens) { return step.step(tokens, tokens, 1e-3f).loss; }
