// What the host program and the programs that nvcc compiles say to each other: no CUDA and no model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace formwork::testing {

struct step_record {
  float loss = 0, gradient_norm = 0;
  bool applied = false;
  bool operator==(step_record const&) const = default;
};

// A few steps of one training run.
struct run_record {
  std::vector<float> first_parameters, first_gradients, gradients, parameters;
  std::vector<step_record> steps;
  std::vector<step_record> steps_ahead;  // the same steps of another run, each begun while the one before is under way
  std::vector<float> parameters_ahead;
  float evaluation = 0;
  long nodes = 0, expected_nodes = 0;  // of the graph of a step
  long graph_launches = 0, launches = 0, recordings = 0, allocations = 0, waits = 0;  // of as many steps more
};

// The tokens of step `number`: numbers below `vocabulary`.
inline std::vector<std::int32_t> tokens_of(long count, int vocabulary, int number, bool targets) {
  std::vector<std::int32_t> all;
  for (long i = 0; i < count; ++i) all.push_back(static_cast<std::int32_t>((targets ? i * i * i + 1 : i * i + 3) * (number + 1) % vocabulary));
  return all;
}

constexpr int recorded_steps = 3;
constexpr float recorded_rate = 1e-2f;

// Runs recorded_steps steps of a training_step.
template <class Step> void record_steps(Step& step, long count, int vocabulary, run_record& r) {
  r.first_parameters.assign(step.parameters().begin(), step.parameters().end());
  for (int i = 0; i < recorded_steps; ++i) {
    const auto result = step.step(tokens_of(count, vocabulary, i, false), tokens_of(count, vocabulary, i, true), recorded_rate);
    r.steps.push_back({result.loss, result.gradient_norm, result.applied});
    if (i > 0) continue;
    r.first_gradients.assign(step.gradient_values().begin(), step.gradient_values().end());
    for (float& g : r.first_gradients) g /= result.loss_scale;
  }
  r.gradients.assign(step.gradient_values().begin(), step.gradient_values().end());
  r.parameters.assign(step.parameters().begin(), step.parameters().end());
  r.evaluation = step.evaluate(tokens_of(count, vocabulary, 5, false), tokens_of(count, vocabulary, 5, true));
}

template <class Step> void record_steps_ahead(Step& step, long count, int vocabulary, run_record& r) {
  auto begin = [&](int i) { step.begin(tokens_of(count, vocabulary, i, false), tokens_of(count, vocabulary, i, true), recorded_rate); };
  begin(0);
  for (int i = 0; i < recorded_steps; ++i) {
    if (i + 1 < recorded_steps) begin(i + 1);
    const auto result = step.end();
    r.steps_ahead.push_back({result.loss, result.gradient_norm, result.applied});
  }
  r.parameters_ahead.assign(step.parameters().begin(), step.parameters().end());
}

// The name of the GPU, empty where there is none that runs this program.
std::string gpu_name();
// What a session says that asks for more than the GPU has, and whether an ordinary one works afterwards.
struct memory_refusal { std::string sentence; bool goes_on = false; };
memory_refusal ask_for_too_much();

run_record gpt_exact();
run_record gpt_tf32();
run_record gpt_bf16();
run_record gpt_f16();
run_record llama_exact();
run_record llama_tf32();
run_record llama_bf16();

}  // namespace formwork::testing
