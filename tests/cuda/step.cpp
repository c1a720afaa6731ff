// A whole training step on a stand-in for the CUDA runtime, whose launches run in the emulator: what the host does, and
// that the result is the CPU's.
#include "emulator/stand_in.hpp"
#include "formwork/formwork.hpp"
#include "support/mixed_check.hpp"
#include "train/temporary_folder.hpp"

using namespace formwork;
using emulator::stand_in;
using testing::check_mixed, testing::distance, testing::training_data;

namespace {

struct tiny : gpt_config {
  static constexpr int vocabulary = testing::training_vocabulary, context = 24, layers = 2, heads = 2, width = 32;
};
using exact = gpu::options<gpu::f32_products::exact>;
using on_cpu = training<gpt<tiny>, adamw, batch<2>, cpu_device>;
using on_gpu = training<gpt<tiny>, adamw, batch<2>, emulator::stand_in_device<exact>>;
using in_bf16 = training<gpt<tiny>, adamw, batch<2>, emulator::stand_in_device<>, mixed<dtype::bf16>>;

}  // namespace

TEST_CASE("step: one graph for a step, no allocation and no wait inside, its nodes counted by the compiler") {
  stand_in::calls = {};
  {
    training_step<on_gpu> step(1);
    const training_data d(on_gpu::tokens);
    step.step(d.tokens, d.targets, 1e-3f);
    const auto before = stand_in::calls;
    for (int i = 0; i < 3; ++i) step.step(d.tokens, d.targets, 1e-3f);
    const auto after = stand_in::calls;
    CHECK(after.allocations == before.allocations);
    CHECK(after.releases == before.releases);
    CHECK(after.recordings == before.recordings);
    CHECK(after.launches == before.launches);      // only what a graph holds
    CHECK(after.copies == before.copies);
    CHECK(after.starts == before.starts + 3);
    CHECK(after.waits == before.waits + 3);        // for the loss, after the step
    CHECK(step.recorded_nodes() == kernels_per_step<on_gpu> + 2);  // and the exchange up and down
  }
  CHECK(stand_in::calls.allocations == stand_in::calls.releases);
}

TEST_CASE("step: loss, gradients and parameters are the CPU's") {
  training_step<on_cpu> cpu(7);
  training_step<on_gpu> gpu(7);
  const training_data d(on_cpu::tokens);
  REQUIRE(std::equal(cpu.parameters().begin(), cpu.parameters().end(), gpu.parameters().begin()));
  for (int i = 0; i < 3; ++i) {
    const step_result a = cpu.step(d.tokens, d.targets, 1e-2f), b = gpu.step(d.tokens, d.targets, 1e-2f);
    CAPTURE(i, a.loss, b.loss, a.gradient_norm, b.gradient_norm);
    CHECK(std::abs(a.loss - b.loss) <= 100 * 0x1p-24 * a.loss);
    CHECK(std::abs(a.gradient_norm - b.gradient_norm) <= 400 * 0x1p-24 * a.gradient_norm);
    // AdamW's first steps have the sign of a gradient: what rounding turns is counted with its whole step.
    CHECK(distance(gpu.gradient_values(), cpu.gradient_values()) <= (i == 0 ? 200 * 0x1p-24 : 1e-3));
  }
  CHECK(std::abs(cpu.evaluate(d.tokens, d.targets) - gpu.evaluate(d.tokens, d.targets)) <= 1e-4);
}

TEST_CASE("step: bf16 with f32 parameters follows f32") {
  training_step<on_cpu> f32(7);
  training_step<in_bf16> bf(7);
  const training_data d(on_cpu::tokens);
  check_mixed(0x1p-9, f32, bf, d);
}

TEST_CASE("step: a step whose gradients are not finite changes nothing") {
  training_step<on_gpu> step(7);
  const training_data d(on_gpu::tokens);
  step.step(d.tokens, d.targets, 1e-2f);
  const std::vector<float> good(step.parameters().begin(), step.parameters().end()), state(step.state(1).begin(), step.state(1).end());
  step.gradient_values()[17] = std::numeric_limits<float>::quiet_NaN();
  step.commit();
  CHECK_FALSE(step.update(1e-2f).applied);
  CHECK(std::equal(good.begin(), good.end(), step.parameters().begin()));
  CHECK(std::equal(state.begin(), state.end(), step.state(1).begin()));
}

TEST_CASE("step: a launch that failed while its step was recorded leaves the run as it was") {
  const training_data d(on_gpu::tokens);
  training_step<on_gpu> whole(7), broken(7);
  whole.gradients(d.tokens, d.targets);
  for (long at : {1, 20}) {
    stand_in::attempts = 0;
    stand_in::fails_at = at;
    CHECK_THROWS_WITH(broken.gradients(d.tokens, d.targets), Catch::Contains("failed"));
    stand_in::fails_at = -1;
  }
  broken.gradients(d.tokens, d.targets);
  CHECK(std::equal(whole.gradient_values().begin(), whole.gradient_values().end(), broken.gradient_values().begin()));
}

TEST_CASE("step: a GPU that fails in the middle of a training leaves the last checkpoint and a program that goes on") {
  formwork_test::temporary_folder folder;
  std::vector<std::uint8_t> text;
  for (int i = 0; i < 400; ++i) text.push_back(static_cast<std::uint8_t>(i * i % 37));
  auto settings_in = [&](const char* name) { return trainer_settings{.learning_rate = 1e-2f, .warmup = 1, .steps = 4, .evaluate_every = 2, .evaluation_windows = 1, .checkpoint_every = 2, .folder = folder / name}; };
  auto parameters_after = [&](trainer<on_gpu>& t) {
    for ([[maybe_unused]] auto const& p : t.train(text, text)) {}
    return std::vector<float>(t.step().parameters().begin(), t.step().parameters().end());
  };
  const auto file = folder / "broken/checkpoint.safetensors";
  std::string kept;
  {
    trainer<on_gpu> t(settings_in("broken"));
    auto session = t.train(text, text);
    auto at = session.begin();
    ++at;
    kept = formwork_test::read_text(file);
    stand_in::attempts = 0;
    stand_in::fails_at = 1;  // the wait behind the third step's start
    stand_in::sticky = true;
    CHECK_THROWS_WITH(++at, Catch::Contains("context is lost, start the program again from its last checkpoint"));
    CHECK_THROWS_AS(t.save(file), gpu::cuda_error);
  }
  CHECK(stand_in::memories == 0);
  stand_in::fails_at = -1;
  stand_in::sticky = false;
  CHECK(formwork_test::read_text(file) == kept);
  trainer<on_gpu> again(settings_in("broken")), whole(settings_in("whole"));
  again.resume(file);
  CHECK(again.step().steps() == 2);
  CHECK(parameters_after(again) == parameters_after(whole));
}

TEST_CASE("step: too little memory is known before the first step") {
  const auto all = stand_in::gpu.free_bytes;
  stand_in::gpu.free_bytes = static_cast<std::size_t>(arena_bytes<on_gpu>) - 1;
  CHECK_THROWS_WITH(training_step<on_gpu>(1), Catch::StartsWith("CUDA: this run needs") && Catch::Contains("stand-in has"));
  stand_in::gpu.free_bytes = all;
}

TEST_CASE("step: sampling from a GPU's copy of the parameters") {
  training_step<on_cpu> trained(7);
  decoder<gpt<tiny>, cpu_device> cpu(trained.parameters());
  decoder<gpt<tiny>, emulator::stand_in_device<exact>> gpu(trained.parameters());
  const std::vector<std::int32_t> prompt{3, 1, 4, 1, 5};
  CHECK(distance(gpu.read(prompt), cpu.read(prompt)) <= 100 * 0x1p-24);
  CHECK(distance(gpu(9), cpu(9)) <= 100 * 0x1p-24);
}
