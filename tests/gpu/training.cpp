// Training steps on the GPU beside those of the CPU.
#include "gpu/models.hpp"
#include "gpu/needs_gpu.hpp"
#include "formwork/backend/cpu/cpu.hpp"
#include "support/distance.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

template <class Model> run_record const& on_cpu() {
  static const run_record record = [] {
    using run = training<Model, adamw, batch<2>, cpu_device>;
    run_record r;
    training_step<run> step(7);
    record_steps(step, run::tokens, static_cast<int>(run::vocabulary), r);
    return r;
  }();
  return record;
}

// Relative errors: of the loss and the gradients of the first step, where both have the same parameters; of the losses
// after it, when AdamW's first steps have turned the signs of what rounding decides.
struct tolerance { double loss, gradients, later_loss, least_gradients; };
// As in tests/cuda/step.cpp: some 100 roundings to 24 bits.
constexpr tolerance f32{100 * 0x1p-24, 200 * 0x1p-24, 1e-3, 0};
// An operand of 11 bits, cut, is too small by 2^-11 on average; 30 products in a row add that up at worst.
constexpr tolerance cut_to_11_bits{8 * 0x1p-11, 30 * 0x1p-11, 0.02, 0x1p-17};
// Some 30 values of 8 bits behind a gradient, whose errors add up like a random walk.
constexpr tolerance bf16_stored{4 * 0x1p-9, 6 * 0x1p-8, 0.02, 0x1p-12};
constexpr tolerance f16_stored{4 * 0x1p-12, 6 * 0x1p-11, 0.02, 0x1p-15};

template <class Model> void check_run(run_record (*run)(), tolerance t) {
  run_record const& cpu = on_cpu<Model>();
  const run_record a = run(), b = run();
  REQUIRE(a.first_parameters == cpu.first_parameters);
  REQUIRE(a.steps.size() == cpu.steps.size());
  REQUIRE(a.first_gradients.size() == cpu.first_gradients.size());
  for (std::size_t i = 0; i < a.steps.size(); ++i) {
    CAPTURE(i, a.steps[i].loss, cpu.steps[i].loss, a.steps[i].gradient_norm, cpu.steps[i].gradient_norm);
    CHECK(a.steps[i].applied);
    CHECK(std::abs(a.steps[i].loss - cpu.steps[i].loss) <= (i == 0 ? t.loss : t.later_loss) * cpu.steps[i].loss);
    if (i == 0) CHECK(std::abs(a.steps[i].gradient_norm - cpu.steps[i].gradient_norm) <= 2 * t.gradients * cpu.steps[i].gradient_norm);
  }
  CAPTURE(distance(a.first_gradients, cpu.first_gradients));
  CHECK(distance(a.first_gradients, cpu.first_gradients) <= t.gradients);
  CHECK(distance(a.first_gradients, cpu.first_gradients) >= t.least_gradients);  // it is what it says, not f32
  CHECK(std::abs(a.evaluation - cpu.evaluation) <= t.later_loss * cpu.evaluation);

  // Bits: vectors of float compare as numbers, and none is NaN.
  CHECK(a.gradients == b.gradients);
  CHECK(a.parameters == b.parameters);
  CHECK(a.evaluation == b.evaluation);
  for (std::size_t i = 0; i < a.steps.size(); ++i) {
    CHECK(a.steps[i].loss == b.steps[i].loss);
    CHECK(a.steps[i].gradient_norm == b.steps[i].gradient_norm);
  }

  CHECK(a.steps_ahead == a.steps);
  CHECK(a.parameters_ahead == a.parameters);

  CHECK(a.nodes == a.expected_nodes);
  CHECK(a.graph_launches == recorded_steps);
  CHECK(a.waits == recorded_steps);
  CHECK(a.launches == 0);  // but for those in the graph
  CHECK(a.recordings == 0);
  CHECK(a.allocations == 0);
}

}  // namespace

TEST_CASE("a GPT's steps: f32, every bit of the products") {
  FORMWORK_NEEDS_GPU();
  check_run<gpt<tiny_gpt>>(gpt_exact, f32);
}
TEST_CASE("a GPT's steps: f32, products in tf32") {
  FORMWORK_NEEDS_GPU();
  check_run<gpt<tiny_gpt>>(gpt_tf32, cut_to_11_bits);
}
TEST_CASE("a GPT's steps: bf16 with f32 parameters") {
  FORMWORK_NEEDS_GPU();
  check_run<gpt<tiny_gpt>>(gpt_bf16, bf16_stored);
}
TEST_CASE("a GPT's steps: f16 with f32 parameters, of a scaled loss") {
  FORMWORK_NEEDS_GPU();
  check_run<gpt<tiny_gpt>>(gpt_f16, f16_stored);
}
TEST_CASE("a Llama's steps: f32, every bit of the products") {
  FORMWORK_NEEDS_GPU();
  check_run<llama<tiny_llama>>(llama_exact, f32);
}
TEST_CASE("a Llama's steps: f32, products in tf32") {
  FORMWORK_NEEDS_GPU();
  check_run<llama<tiny_llama>>(llama_tf32, cut_to_11_bits);
}
TEST_CASE("a Llama's steps: bf16 with f32 parameters") {
  FORMWORK_NEEDS_GPU();
  check_run<llama<tiny_llama>>(llama_bf16, bf16_stored);
}
TEST_CASE("a run larger than the GPU is refused in a sentence, and the program goes on") {
  FORMWORK_NEEDS_GPU();
  const memory_refusal r = ask_for_too_much();
  CAPTURE(r.sentence);
  CHECK(r.sentence.find("CUDA: this run needs ") == 0);
  CHECK(r.sentence.find(" GiB free; choose a smaller batch, or a workspace budget.") != std::string::npos);
  CHECK(r.goes_on);
}
