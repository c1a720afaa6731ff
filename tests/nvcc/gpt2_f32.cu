// The whole training step of GPT-2 124M in f32, as nvcc sees it: with products that are exact, and on tensor cores in tf32.
#include "formwork/backend/cuda/cuda.hpp"
#include "formwork/nn/gpt.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/train/training_step.hpp"

using namespace formwork;
template <class Device> using run = training<gpt2_124m, adamw, batch<4, 1024>, Device>;

float exact_step(training_step<run<cuda_exact_device>>& step, std::span<const std::int32_t> tokens) { return step.step(tokens, tokens, 1e-3f).loss; }
float tf32_step(training_step<run<cuda_device>>& step, std::span<const std::int32_t> tokens) { return step.step(tokens, tokens, 1e-3f).loss; }
