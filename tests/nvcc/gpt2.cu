// The whole training step of GPT-2 124M in bf16, as nvcc sees it: every kernel that it launches.
#include "formwork/backend/cuda/cuda.hpp"
#include "formwork/nn/gpt.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/train/training_step.hpp"

using namespace formwork;
using run = training<gpt2_124m, adamw, batch<4, 1024>, cuda_device, mixed<dtype::bf16>>;

float one_step(training_step<run>& step, std::span<const std::int32_t> tokens) { return step.step(tokens, tokens, 1e-3f).loss; }
