// Training with 16-bit storage on the CPU.
#include "formwork/train/training_step.hpp"
#include "formwork/backend/cpu/cpu.hpp"
#include "formwork/nn/gpt.hpp"
#include "formwork/optim/adamw.hpp"
#include "support/catch.hpp"

using namespace formwork;

namespace {

struct tiny : gpt_config {
  static constexpr int vocabulary = 40, context = 24, layers = 2, heads = 2, width = 32;
};
struct data {
  std::vector<std::int32_t> tokens, targets;
  explicit data(long n) {
    for (long i = 0; i < n; ++i) {
      tokens.push_back(static_cast<std::int32_t>((i * i + 3) % 40));
      targets.push_back(static_cast<std::int32_t>((i * i * i + 1) % 40));
    }
  }
};
double distance(std::span<const float> a, std::span<const float> b) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error += std::pow(static_cast<double>(a[i]) - b[i], 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(error / norm);
}

using exact = training<gpt<tiny>, adamw, batch<2>, cpu_device>;
template <dtype Storage> using stored = training<gpt<tiny>, adamw, batch<2>, cpu_device, mixed<Storage>>;

// Loss and gradients are those of f32 but for the bits of the storage, and training goes the same way.
template <dtype Storage> void check_mixed(double half_unit) {
  training_step<exact> f32(7);
  training_step<stored<Storage>> half(7);
  const data d(exact::tokens);
  const step_result a = f32.step(d.tokens, d.targets, 1e-2f), b = half.step(d.tokens, d.targets, 1e-2f);
  CHECK(std::abs(a.loss - b.loss) <= 4 * half_unit * a.loss);
  // A gradient is behind some 30 stored values, whose errors add up like a random walk.
  CAPTURE(distance(half.gradient_values(), f32.gradient_values()));
  CHECK(distance(half.gradient_values(), f32.gradient_values()) <= 12 * half_unit);
  CHECK(distance(half.gradient_values(), f32.gradient_values()) >= half_unit / 8);  // it is not f32
  float last_f32 = 0, last_half = 0;
  for (int i = 0; i < 4; ++i) {
    last_f32 = f32.step(d.tokens, d.targets, 1e-2f).loss;
    last_half = half.step(d.tokens, d.targets, 1e-2f).loss;
  }
  CHECK(last_half < 0.9f * a.loss);
  CHECK(std::abs(last_half - last_f32) <= 0.02f * a.loss);
  CHECK(std::abs(half.evaluate(d.tokens, d.targets) - last_half) <= 0.1f * a.loss);  // of the parameters after the last step
}

}  // namespace

TEST_CASE("mixed: bf16 with f32 parameters follows f32") { check_mixed<dtype::bf16>(0x1p-9); }
TEST_CASE("mixed: f16 with f32 parameters follows f32") { check_mixed<dtype::f16>(0x1p-12); }
