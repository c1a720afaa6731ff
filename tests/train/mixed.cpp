// Training with 16-bit storage on the CPU.
#include <limits>

#include "formwork/backend/cpu/cpu.hpp"
#include "formwork/nn/gpt.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/train/trainer.hpp"
#include "support/mixed_check.hpp"
#include "temporary_folder.hpp"

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

namespace {

// Softmax's gradients are 1 / (4096 2048) at first, a tenth of what f16 can hold at all.
struct wide : gpt_config {
  static constexpr int vocabulary = 4096, context = 64, layers = 1, heads = 2, width = 32;
};
using f16_run = training<gpt<tiny>, adamw, batch<2>, cpu_device, mixed<dtype::f16>>;

std::vector<float> values_of(std::span<const float> x) { return {x.begin(), x.end()}; }

}  // namespace

TEST_CASE("mixed: in f16 gradients are those of a multiple of the loss, which f16 can hold") {
  training_step<training<gpt<wide>, adamw, batch<32>, cpu_device>> f32(1);
  training_step<training<gpt<wide>, adamw, batch<32>, cpu_device, mixed<dtype::f16>>> half(1);
  std::vector<std::int32_t> tokens(2048), targets(2048);
  for (std::size_t i = 0; i < 2048; ++i) tokens[i] = static_cast<std::int32_t>(i * 37 % 4096), targets[i] = static_cast<std::int32_t>(i * i % 4096);
  f32.gradients(tokens, targets);
  auto apart = [&](float scale) {
    half.resume_at(1, 0, 0, scale);
    half.gradients(tokens, targets);
    auto g = values_of(half.gradient_values());
    for (float& x : g) x /= scale;
    return distance(g, f32.gradient_values());
  };
  CHECK(half.loss_scale() == 65536);
  CHECK(apart(65536) <= 12 * 0x1p-12);
  CHECK(apart(1) > 20 * 0x1p-12);
}
TEST_CASE("mixed: a step whose f16 gradients overflow is left out, and the loss's scale halves until they do not") {
  training_step<f16_run> a(7), b(7);
  const training_data d(f16_run::tokens);
  const auto before = values_of(a.parameters());
  a.resume_at(7, 0, 0, 0x1p30f);
  float scale = 0x1p30f;
  int left_out = 0;
  for (;; ++left_out, scale /= 2) {
    const step_result r = a.step(d.tokens, d.targets, 1e-2f);
    CHECK(r.loss_scale == scale);
    if (r.applied) break;
    CHECK(a.loss_scale() == scale / 2);
    CHECK(values_of(a.parameters()) == before);
    CHECK(a.updates() == 0);
    REQUIRE(left_out < 30);
  }
  CHECK(left_out > 1);
  CHECK(a.steps() == left_out + 1);
  CHECK(a.loss_scale() == scale);
  b.resume_at(7, left_out, 0, scale);
  b.step(d.tokens, d.targets, 1e-2f);
  CHECK(values_of(a.parameters()) == values_of(b.parameters()));
  CHECK(values_of(a.state(1)) == values_of(b.state(1)));
  // Where nothing is lost and nothing overflows the scale leaves no trace but in the last bits of subnormal numbers.
  training_step<f16_run> c(7);
  c.resume_at(7, 0, 0, 4096);
  const step_result r = c.step(d.tokens, d.targets, 1e-2f), s = training_step<f16_run>(7).step(d.tokens, d.targets, 1e-2f);
  CHECK(std::abs(r.gradient_norm - s.gradient_norm) <= 0x1p-12f * s.gradient_norm);
}
TEST_CASE("mixed: the loss's scale doubles every 2000 steps, up to 2^24, and bf16 has none") {
  training_step<f16_run> a(7);
  const training_data d(f16_run::tokens);
  for (long step : {1998L, 1999L, 2000L, 3999L}) {
    a.resume_at(7, step, step, 1024);
    CHECK(a.step(d.tokens, d.targets, 0).applied);
    CAPTURE(step);
    CHECK(a.loss_scale() == (step % 2000 == 1999 ? 2048 : 1024));
  }
  alignas(16) float scale = 0x1p24f, sum = 1, told = 0;
  using optimizer = run_programs<f16_run>::optimizer;
  alignas(16) auto numbers = optimizer::numbers_of(0, 1, 1, 2000);
  std::vector<std::byte> workspace(run_programs<f16_run>::optimizer::loss_scale_program::workspace_bytes + 64);
  optimizer::next_loss_scale(&scale, &sum, numbers.data(), &told, workspace.data());
  CHECK((scale == 0x1p24f && told == 0x1p24f));
  using bf16_run = training<gpt<tiny>, adamw, batch<2>, cpu_device, mixed<dtype::bf16>>;
  training_step<bf16_run> bf(7);
  CHECK(bf.step(d.tokens, d.targets, 1e-2f).loss_scale == 1);
  CHECK(bf.loss_scale() == 1);
  static_assert(kernels_per_step<f16_run> == kernels_per_step<bf16_run> + 2);  // the adjoint of the mean, and the next scale
}
TEST_CASE("mixed: a trainer goes on where f16 steps are left out, and a checkpoint keeps the loss's scale") {
  formwork_test::temporary_folder folder;
  std::vector<std::uint8_t> text;
  for (int i = 0; i < 400; ++i) text.push_back(static_cast<std::uint8_t>(i * i % 37));
  auto settings_in = [&](const char* name) { return trainer_settings{.learning_rate = 1e-2f, .warmup = 1, .steps = 40, .seed = 7, .evaluate_every = 20, .evaluation_windows = 1, .checkpoint_every = 20, .folder = folder / name}; };
  trainer<f16_run> whole(settings_in("whole")), half(settings_in("half"));
  for (auto* t : {&whole, &half}) t->step().resume_at(7, 0, 0, 0x1p30f);
  int left_out = 0;
  for (auto const& p : whole.train(text, text)) left_out += std::isinf(p.gradient_norm) || std::isnan(p.gradient_norm);
  CHECK(left_out > 1);
  CHECK(whole.step().updates() == 40 - left_out);
  CHECK(train::read_csv_log(folder / "whole/log.csv").size() == 40);
  for (auto const& p : half.train(text, text))
    if (p.step == 20) break;
  trainer<f16_run> again(settings_in("half"));
  again.resume(folder / "half/checkpoint.safetensors");
  CHECK(again.step().loss_scale() == half.step().loss_scale());
  CHECK(again.step().loss_scale() < 0x1p30f);
  for ([[maybe_unused]] auto const& p : again.train(text, text)) {}
  CHECK(values_of(again.step().parameters()) == values_of(whole.step().parameters()));
  // Gradients that are finite at no scale.
  trainer<f16_run> broken(settings_in("broken"));
  broken.step().resume_at(7, 0, 0, 4);
  broken.step().parameters()[0] = std::numeric_limits<float>::max();
  broken.step().commit();
  CHECK_THROWS_AS([&] { for ([[maybe_unused]] auto const& p : broken.train(text, text)) {} }(), diverged);
}
