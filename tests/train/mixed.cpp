// Training with 16-bit storage on the CPU.
#include "formwork/backend/cpu/cpu.hpp"
#include "formwork/nn/gpt.hpp"
#include "formwork/optim/adamw.hpp"
#include "support/mixed_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

struct tiny : gpt_config {
  static constexpr int vocabulary = training_vocabulary, context = 24, layers = 2, heads = 2, width = 32;
};
using exact = training<gpt<tiny>, adamw, batch<2>, cpu_device>;

template <dtype Storage> void check(double half_unit) {
  training_step<exact> f32(7);
  training_step<training<gpt<tiny>, adamw, batch<2>, cpu_device, mixed<Storage>>> half(7);
  const training_data d(exact::tokens);
  check_mixed(half_unit, f32, half, d);
  // Of the parameters that the steps have left.
  const float f32_loss = f32.evaluate(d.tokens, d.targets);
  CHECK(std::abs(half.evaluate(d.tokens, d.targets) - f32_loss) <= 0.02f * f32_loss);
}

}  // namespace

TEST_CASE("mixed: bf16 with f32 parameters follows f32") { check<dtype::bf16>(0x1p-9); }
TEST_CASE("mixed: f16 with f32 parameters follows f32") { check<dtype::f16>(0x1p-12); }
