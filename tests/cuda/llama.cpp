// A training step of a small Llama (RMS norm, rotary positions, grouped-query attention, SwiGLU) in the emulator, against
// the CPU's.
#include "emulator/stand_in.hpp"
#include "formwork/formwork.hpp"
#include "support/catch.hpp"
#include "support/distance.hpp"
#include "support/training_data.hpp"

using namespace formwork;
using emulator::stand_in;
using testing::distance;
using testing::training_data;

namespace {

// Two heads of queries share one of keys; 24 positions and 44 hidden numbers fill no tile.
struct tiny : llama_config {
  static constexpr int vocabulary = testing::training_vocabulary, context = 24, layers = 2, heads = 4, kv_heads = 2, width = 32, hidden = 44;
};
using exact = gpu::options<gpu::f32_products::exact>;
using on_cpu = training<llama<tiny>, adamw, batch<2>, cpu_device>;
using on_gpu = training<llama<tiny>, adamw, batch<2>, emulator::stand_in_device<exact>>;

struct outcome {
  step_result result;
  std::vector<float> gradients;
};
template <class Training> outcome one_step() {
  training_step<Training> step(7);
  const training_data d(Training::tokens);
  outcome o{step.step(d.tokens, d.targets, 1e-2f), {}};
  auto g = step.gradient_values();
  o.gradients.assign(g.begin(), g.end());
  return o;
}

// Both sides round some 100 values in a row (200 behind a gradient, with the way back) by at most half a unit each, in
// different orders: the bounds of tests/cuda/step.cpp, in units of 2^-24.
bool agrees(outcome const& a, outcome const& b) {
  constexpr double unit = 0x1p-24;
  return std::abs(a.result.loss - b.result.loss) <= 100 * unit * b.result.loss &&
         std::abs(a.result.gradient_norm - b.result.gradient_norm) <= 400 * unit * b.result.gradient_norm && a.gradients.size() == b.gradients.size() &&
         distance(a.gradients, b.gradients) <= 200 * unit;
}

}  // namespace

TEST_CASE("llama: loss, gradient norm and gradients are the CPU's, the same bits in every order of the lanes") {
  const outcome cpu = one_step<on_cpu>();
  REQUIRE(cpu.result.loss > 1);
  REQUIRE(cpu.result.gradient_norm > 0);
  outcome first;
  for (std::uint64_t seed = 1; seed <= 16; ++seed) {
    stand_in::how = {.seed = seed};
    const outcome gpu = one_step<on_gpu>();
    CAPTURE(seed, cpu.result.loss, gpu.result.loss, cpu.result.gradient_norm, gpu.result.gradient_norm, distance(gpu.gradients, cpu.gradients) * 0x1p24);
    CHECK(agrees(gpu, cpu));
    if (seed == 1) first = gpu;
    CHECK(gpu.gradients == first.gradients);
  }
  // The same check refuses a result that is a thousandth off, two rows exchanged, and a kernel without its first barrier.
  outcome wrong = first;
  for (float& x : wrong.gradients) x *= 1.001f;
  CHECK_FALSE(agrees(wrong, cpu));
  wrong = first;
  for (auto row = wrong.gradients.begin(); wrong.gradients.end() - row >= 2 * tiny::width; row += tiny::width)
    if (!std::equal(row, row + tiny::width, row + tiny::width)) {  // two embeddings that no token has are equal
      std::swap_ranges(row, row + tiny::width, row + tiny::width);
      break;
    }
  CHECK_FALSE(agrees(wrong, cpu));
  stand_in::how = {.seed = 1, .wrong = emulator::fault::drop_barrier};
  bool caught = false;
  try {
    caught = !agrees(one_step<on_gpu>(), cpu);
  } catch (emulator::report const&) {
    caught = true;
  }
  CHECK(caught);
  stand_in::how = {};
}
