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

TEST_CASE("step: steps that begin ahead of the host are the steps that follow each other, bit by bit") {
  static_assert(training_step<on_gpu>::ahead == 1 && training_step<on_cpu>::ahead == 0);
  training_step<on_gpu> one_by_one(1), ahead(1);
  std::vector<training_data> d;
  for (long i = 0; i < 6; ++i) d.emplace_back(on_gpu::tokens, 3 + i);
  auto begin = [&](std::size_t i) { ahead.begin(d[i].tokens, d[i].targets, 1e-2f / static_cast<float>(i + 1)); };
  auto same_as_step = [&](std::size_t i, step_result const& r) {
    const step_result s = one_by_one.step(d[i].tokens, d[i].targets, 1e-2f / static_cast<float>(i + 1));
    CAPTURE(i, r.loss, s.loss);
    return r.loss == s.loss && r.gradient_norm == s.gradient_norm && r.applied == s.applied;
  };
  auto same_parameters = [&] { return std::equal(one_by_one.parameters().begin(), one_by_one.parameters().end(), ahead.parameters().begin()); };
  begin(0);
  begin(1);  // both exchanges have their graphs now
  CHECK_THROWS_WITH(begin(2), Catch::Contains("2 steps have begun already; call end() before begin()"));
  CHECK_THROWS_WITH(ahead.step(d[0].tokens, d[0].targets, 1e-2f), Catch::Contains("call end() for it before step()"));
  const auto before = stand_in::calls;
  CHECK(ahead.begun() == 2);
  const step_result first = ahead.end();
  begin(2);
  const step_result second = ahead.end();
  begin(3);
  const auto after = stand_in::calls;
  CHECK(after.starts == before.starts + 2);
  CHECK(after.waits == before.waits + 2);
  CHECK(after.recordings == before.recordings);
  CHECK(after.copies == before.copies);
  CHECK(same_as_step(0, first));
  CHECK(same_as_step(1, second));
  CHECK_FALSE(same_parameters());
  // What else is asked of the run is of all that has begun, and takes no result away.
  CHECK(ahead.steps() == 4);
  CHECK(ahead.updates() == 4);
  const float evaluated = ahead.evaluate(d[5].tokens, d[5].targets);
  CHECK(ahead.begun() == 2);
  CHECK(same_as_step(2, ahead.end()));
  begin(4);
  ahead.commit();
  CHECK(same_as_step(3, ahead.end()));
  CHECK(evaluated == one_by_one.evaluate(d[5].tokens, d[5].targets));
  CHECK(same_as_step(4, ahead.end()));
  CHECK(same_parameters());
  CHECK_THROWS_WITH(ahead.end(), Catch::Contains("no step has begun"));
  begin(5);
  ahead.forget_begun();
  CHECK(ahead.begun() == 0);
  CHECK(same_as_step(5, ahead.step(d[5].tokens, d[5].targets, 0)) == false);  // the sixth is done, this is the seventh
  CHECK(ahead.steps() == 7);
}

TEST_CASE("step: a commit that copies parameters to bf16 takes no result of a step under way") {
  training_step<in_bf16> one_by_one(1), ahead(1);
  const training_data d(in_bf16::tokens);
  ahead.begin(d.tokens, d.targets, 1e-2f);
  ahead.begin(d.tokens, d.targets, 1e-2f);
  ahead.commit();
  const step_result first = one_by_one.step(d.tokens, d.targets, 1e-2f), second = one_by_one.step(d.tokens, d.targets, 1e-2f);
  CHECK(first.loss != second.loss);
  CHECK(ahead.end().loss == first.loss);
  CHECK(ahead.end().loss == second.loss);
}

namespace {

// A few steps' losses, and what a trainer leaves behind.
struct trained {
  std::vector<double> losses;
  std::vector<float> parameters;
  std::string checkpoint;
  std::vector<train::log_row> rows;
};
std::vector<std::uint8_t> some_text() {
  std::vector<std::uint8_t> text;
  for (int i = 0; i < 400; ++i) text.push_back(static_cast<std::uint8_t>(i * i % 37));
  return text;
}
trainer_settings settings_in(std::filesystem::path folder, bool ahead) {
  return {.learning_rate = 1e-2f, .warmup = 1, .steps = 10, .evaluate_every = 5, .evaluation_windows = 1, .checkpoint_every = 10, .folder = std::move(folder), .ahead = ahead};
}
trained walk(trainer<on_gpu>& t, std::filesystem::path const& folder) {
  const auto text = some_text();
  trained r;
  for (auto const& p : t.train(text, text)) r.losses.push_back(p.loss);
  r.parameters.assign(t.step().parameters().begin(), t.step().parameters().end());
  r.checkpoint = formwork_test::read_text(folder / "checkpoint.safetensors");
  r.rows = train::read_csv_log(folder / "log.csv");
  return r;
}

}  // namespace

TEST_CASE("step: a trainer whose steps begin ahead trains as one that waits") {
  formwork_test::temporary_folder folder;
  trainer<on_gpu> waits(settings_in(folder / "waits", false)), ahead(settings_in(folder / "ahead", true));
  const trained a = walk(waits, folder / "waits"), b = walk(ahead, folder / "ahead");
  REQUIRE(a.losses.size() == 10);
  CHECK(a.losses == b.losses);
  CHECK(a.parameters == b.parameters);
  CHECK(a.checkpoint == b.checkpoint);
  REQUIRE(b.rows.size() == 10);
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(b.rows[i].step == i + 1);
    CHECK(a.rows[i].loss == b.rows[i].loss);
    CHECK(a.rows[i].learning_rate == b.rows[i].learning_rate);
    CHECK(std::isnan(a.rows[i].validation_loss) == std::isnan(b.rows[i].validation_loss));
  }

  // Saved while a step is under way: of that step, and another trainer goes on from there.
  const auto text = some_text();
  {
    trainer<on_gpu> t(settings_in(folder / "left", true));
    auto session = t.train(text, text);
    auto at = session.begin();
    CHECK(at->step == 1);
    CHECK(t.step().begun() == 1);
    t.save(folder / "second");
    CHECK(t.step().begun() == 1);  // its progress is still to come
    ++at;
    CHECK(at->loss == a.losses[1]);
    CHECK(t.step().begun() == 1);
    ++at;
    ++at;
    CHECK(at->loss == a.losses[3]);
    CHECK(t.step().begun() == 0);  // an evaluation follows the fifth
  }
  {
    trainer<on_gpu> t(settings_in(folder / "left early", true));
    CHECK(t.train(text, text).begin()->step == 1);
    CHECK(train::read_csv_log(folder / "left early/log.csv").size() == 2);  // the step that had begun is on record
    for (int more = 0; auto const& p : t.train(text, text)) {
      CHECK(p.loss == a.losses[static_cast<std::size_t>(2 + more)]);
      if (++more == 3) break;  // an evaluation follows: nothing is under way
    }
    CHECK(t.step().steps() == 5);
    std::vector<double> rest;
    for (auto const& p : t.train(text, text)) rest.push_back(p.loss);
    CHECK(rest == std::vector<double>(a.losses.begin() + 5, a.losses.end()));
    const auto rows = train::read_csv_log(folder / "left early/log.csv");
    REQUIRE(rows.size() == 10);
    for (std::size_t i = 0; i < 10; ++i) {
      CHECK(rows[i].step == i + 1);
      CHECK(std::isnan(rows[i].validation_loss) == std::isnan(a.rows[i].validation_loss));
      CHECK((rows[i].seconds > 0 && rows[i].seconds < 3600));
    }
  }
  {
    trainer<on_gpu> t(settings_in({}, true));
    auto first = t.train(text, text);
    auto at = first.begin();
    {
      auto second = t.train(text, text);  // that does nothing does no harm
    }
    auto third = t.train(text, text);
    CHECK_THROWS_WITH(third.begin(), Catch::Contains("Another loop over this trainer's progress has a step under way"));
    for (; at != first.end(); ++at) CHECK(at->loss == a.losses[static_cast<std::size_t>(at->step - 1)]);
    CHECK(t.step().steps() == 10);
  }
  trainer<on_gpu> again(settings_in(folder / "again", true));
  again.resume(folder / "second");
  CHECK(again.step().steps() == 2);
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

TEST_CASE("step: f16 with f32 parameters follows f32, and the loss's scale is the CPU's") {
  using f16_on_cpu = training<gpt<tiny>, adamw, batch<2>, cpu_device, mixed<dtype::f16>>;
  using f16_on_gpu = training<gpt<tiny>, adamw, batch<2>, emulator::stand_in_device<>, mixed<dtype::f16>>;
  training_step<on_cpu> f32(7);
  training_step<f16_on_gpu> half(7);
  const training_data d(on_cpu::tokens);
  check_mixed(0x1p-12, f32, half, d);
  CHECK(half.recorded_nodes() == kernels_per_step<f16_on_gpu> + 2);
  training_step<f16_on_cpu> cpu(7);
  training_step<f16_on_gpu> gpu(7);
  cpu.resume_at(7, 0, 0, 0x1p30f);
  gpu.resume_at(7, 0, 0, 0x1p30f);
  // One step ahead of the host, which learns later than the device that a step was left out.
  gpu.begin(d.tokens, d.targets, 1e-2f);
  int left_out = 0;
  for (bool applied = false; !applied && left_out < 30;) {
    gpu.begin(d.tokens, d.targets, 1e-2f);
    const step_result a = cpu.step(d.tokens, d.targets, 1e-2f), b = gpu.end();
    CAPTURE(left_out, a.loss_scale, b.loss_scale);
    CHECK((a.applied == b.applied && a.loss_scale == b.loss_scale));
    applied = a.applied;
    left_out += !b.applied;
  }
  CHECK((left_out > 1 && left_out < 30));
  left_out += !gpu.end().applied;
  for (int i = 0; i < 4; ++i) left_out += !gpu.step(d.tokens, d.targets, 1e-2f).applied;
  CHECK(gpu.updates() == gpu.steps() - left_out);
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

TEST_CASE("step: whichever call of two steps under way fails, nothing is left waiting and the run goes on from what was kept") {
  training_step<on_gpu> whole(7), broken(7);
  const training_data d(on_gpu::tokens);
  auto begin = [&] { broken.begin(d.tokens, d.targets, 1e-2f); };
  begin();
  begin();  // both exchanges have their graphs
  broken.end();
  broken.end();
  std::vector<std::vector<float>> kept{{broken.parameters().begin(), broken.parameters().end()}};
  for (int n = 0; n < broken.states; ++n) kept.emplace_back(broken.state(n).begin(), broken.state(n).end());
  std::vector<step_result> results;
  for (int i = 0; i < 4; ++i) results.push_back(whole.step(d.tokens, d.targets, 1e-2f));
  auto as_kept = [&] {
    std::copy(kept[0].begin(), kept[0].end(), broken.parameters().begin());
    for (int n = 0; n < broken.states; ++n) std::copy(kept[static_cast<std::size_t>(n) + 1].begin(), kept[static_cast<std::size_t>(n) + 1].end(), broken.state(n).begin());
    broken.commit();
    broken.resume_at(7, 2, 2);
  };
  auto same = [&](std::size_t i, step_result const& r) {
    CAPTURE(i, r.loss, results[i].loss);
    return r.loss == results[i].loss && r.gradient_norm == results[i].gradient_norm && r.applied;
  };
  int failures = 0;
  for (bool failed = true; failed; ++failures) {
    CAPTURE(failures);
    failed = false;
    stand_in::attempts = 0;
    stand_in::fails_at = failures;
    try {
      begin();
      begin();
      const step_result third = broken.end(), fourth = broken.end();
      CHECK(same(2, third));
      CHECK(same(3, fourth));
    } catch (gpu::cuda_error const& e) {
      failed = true;
      CHECK_THAT(e.what(), Catch::Contains("failed"));
    }
    stand_in::fails_at = -1;
    broken.forget_begun();
    CHECK(broken.begun() == 0);
    as_kept();
    CHECK(same(2, broken.step(d.tokens, d.targets, 1e-2f)));
    begin();
    CHECK(same(3, broken.end()));
    as_kept();
  }
  CHECK(failures > 6);  // two starts, two events, two waits, and then none
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
    stand_in::fails_at = 2;  // the wait behind the third step's start
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
