// Training runs of a GPT and a Llama, compiled in f32, against PyTorch in f64: logits, loss, every gradient,
// and the losses of ten steps of AdamW with clipping.
#include "formwork/backend/cpu/cpu.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/train/training_step.hpp"
#include "golden/golden.hpp"
#include "support/catch.hpp"
#include "support/passes.hpp"
#include "support/threads.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

// How far apart two arrays are, in units of f32 rounding (2^-24) of the root of the sum of squares. Along the
// way of a value through two layers lie at most 100 operations that round; their errors are independent and,
// each of at most one unit, add up like a random walk: 10 units. The backward pass is as long again, and the
// sums of at most 128 products in every contraction are blocked by 8 lanes or more, 16 roundings each. Five
// times sqrt(200 + 16) = 73.
constexpr double rounding = 0x1p-24, tolerance = 73 * rounding;

double difference(std::span<const float> result, std::span<const float> expected) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double d = static_cast<double>(result[i]) - expected[i];
    error += d * d;
    norm += static_cast<double>(expected[i]) * expected[i];
  }
  return std::sqrt(error / norm);
}
bool good(std::span<const float> result, std::span<const float> expected) {
  return result.size() == expected.size() && !result.empty() && difference(result, expected) <= tolerance;
}

// The same check refuses zeros, a result that is 1% off, and two exchanged rows.
void require_with_teeth(std::span<const float> result, std::span<const float> expected, std::size_t row) {
  CAPTURE(difference(result, expected) / rounding);
  REQUIRE(good(result, expected));
  std::vector<float> wrong(result.size());
  CHECK_FALSE(good(wrong, expected));
  for (std::size_t i = 0; i < wrong.size(); ++i) wrong[i] = result[i] * 1.01f;
  CHECK_FALSE(good(wrong, expected));
  wrong.assign(result.begin(), result.end());
  for (std::size_t at = 0; at + 2 * row <= wrong.size(); at += row) {
    auto here = wrong.begin() + static_cast<long>(at), next = here + static_cast<long>(row);
    if (std::equal(here, next, next)) continue;
    std::swap_ranges(here, next, next);
    CHECK_FALSE(good(wrong, expected));
    break;
  }
}

template <class Model>
using golden_run = training<Model, adamw, batch<golden_batch, golden_time>, cpu_device>;

template <class Model> struct logits_source {
  static constexpr graph make() {
    return simplified(trace<logits_of, Model, language_model_prompt<golden_batch, golden_time>>());
  }
};

std::vector<std::uint64_t> shape_of(parameter_entry const& e) {
  return {e.shape.size, e.shape.size + e.shape.rank};
}

template <class Run> void load_initial(training_step<Run>& step, golden_file const& file) {
  for (auto const& e : training_step<Run>::entries) {
    auto x = file.template get<float>("initial." + std::string(e.name.view()), shape_of(e));
    std::copy(x.begin(), x.end(), step.parameters().begin() + e.offset);
  }
}

template <class Model> void check_first_step(std::string const& name) {
  golden_file file(name);
  using run = golden_run<Model>;
  training_step<run> step(1);
  load_initial(step, file);
  auto tokens = file.numbers("tokens", 0), targets = file.numbers("targets", 0);

  using forward = formwork::step<compiled<logits_source<Model>>, cpu_device>;
  arena workspace(forward::workspace_bytes);
  constexpr std::size_t row = Model::vocabulary;
  std::vector<float> logits(golden_batch * golden_time * row);
  void* inputs[] = {tokens.data()};
  void* outputs[] = {logits.data()};
  forward::run({.workspace = workspace.data(),
                .parameters = reinterpret_cast<std::byte*>(step.parameters().data()),
                .inputs = inputs,
                .outputs = outputs});
  require_with_teeth(logits, file.template get<float>("logits", {golden_batch, golden_time, row}), row);

  auto loss = file.template get<float>("loss", {});
  const float evaluated[] = {step.evaluate(tokens, targets)}, trained[] = {step.gradients(tokens, targets)};
  require_with_teeth(evaluated, loss, 1);
  require_with_teeth(trained, loss, 1);

  CHECK(training_step<run>::entries.size() == file.parameters());
  for (auto const& e : training_step<run>::entries) {
    CAPTURE(e.name.view());
    auto gradient = std::span<const float>(step.gradient_values())
                        .subspan(static_cast<std::size_t>(e.offset), static_cast<std::size_t>(e.elements));
    require_with_teeth(gradient,
                       file.template get<float>("gradient." + std::string(e.name.view()), shape_of(e)),
                       static_cast<std::size_t>(e.shape[-1]));
  }
  const float norm[] = {step.update(1e-3f).gradient_norm};
  require_with_teeth(norm, file.template get<float>("gradient_norm", {}), 1);
}

template <class Run> std::vector<float> ten_losses(training_step<Run>& step, golden_file const& file) {
  load_initial(step, file);
  std::vector<float> losses;
  for (long n = 0; n < golden_steps; ++n) {
    losses.push_back(step.gradients(file.numbers("tokens", n), file.numbers("targets", n)));
    CHECK(step.update(1e-3f, 1.f).applied);
  }
  return losses;
}

template <class Model> void check_ten_losses(std::string const& name) {
  golden_file file(name);
  const auto expected = file.losses();
  std::vector<float> first, first_parameters;
  for (int threads : {1, 2, 3, 2}) {
    thread_guard use(threads);
    training_step<golden_run<Model>> step(7);
    auto losses = ten_losses(step, file);
    for (std::size_t n = 0; n < losses.size(); ++n) {
      CAPTURE(n);
      require_with_teeth(std::span(losses).subspan(n, 1), std::span(expected).subspan(n, 1), 1);
    }
    std::vector<float> parameters(step.parameters().begin(), step.parameters().end());
    if (first.empty()) {
      first = losses;
      first_parameters = parameters;
    }
    CHECK(losses == first);
    CHECK(parameters == first_parameters);
  }
  // Steps in another order are another run.
  auto exchanged = first;
  std::swap(exchanged[3], exchanged[4]);
  CHECK_FALSE((good(std::span(exchanged).subspan(3, 1), std::span(expected).subspan(3, 1)) &&
               good(std::span(exchanged).subspan(4, 1), std::span(expected).subspan(4, 1))));
}

}  // namespace

TEST_CASE("training: a compiled GPT gives PyTorch's logits, loss and gradients") {
  check_first_step<gpt<golden_gpt_config>>("gpt");
}
TEST_CASE(
    "training: ten steps of a GPT give PyTorch's losses, with the same bits for any number of threads") {
  check_ten_losses<gpt<golden_gpt_config>>("gpt");
}
TEST_CASE("training: a compiled Llama gives PyTorch's logits, loss and gradients") {
  check_first_step<llama<golden_llama_config>>("llama");
}
TEST_CASE(
    "training: ten steps of a Llama give PyTorch's losses, with the same bits for any number of threads") {
  check_ten_losses<llama<golden_llama_config>>("llama");
}
