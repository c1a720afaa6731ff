// training_step<Run>: parameters, gradients, optimizer states and workspace in one arena, and the steps that
// work on them. After construction nothing is allocated, and nothing is thrown but for bad input.
#pragma once

#include <cmath>
#include <cstring>
#include <vector>

#include "../core/arena.hpp"
#include "initialize.hpp"
#include "token_check.hpp"
#include "training.hpp"

namespace formwork {

struct update_result {
  float gradient_norm = 0;  // before clipping
  bool applied = false;     // no where the norm is not a finite number: then nothing has changed
};

template <class Run> class training_step {
  using programs = run_programs<Run>;
  using optimizer = typename programs::optimizer;
  static constexpr arena_map map = arena_map_of<Run>;

 public:
  using layout = typename programs::layout;
  static constexpr auto const& entries = layout::entries;

  // Maps the arena and gives the parameters their first values: equal seeds, equal runs. Throws
  // std::runtime_error where the system has no memory for it.
  explicit training_step(std::uint64_t seed = 0)
      : memory_(static_cast<std::size_t>(arena_bytes<Run>)), seed_(seed) {
    warm_up();
    initialize<typename Run::model_type>(parameters(), seed);
  }

  // Mean loss in nats per token of Run::sequences sequences, and its gradients: tokens and targets
  // (sequences, time). Throws std::invalid_argument where a number is not one of the vocabulary.
  float gradients(std::span<const std::int32_t> tokens, std::span<const std::int32_t> targets) {
    check_tokens(tokens, Run::tokens, Run::vocabulary, "tokens");
    check_tokens(targets, Run::tokens, Run::vocabulary, "targets");
    float total = 0;
    for (long pass = 0; pass < Run::passes; ++pass) {
      float* to = floats(pass == 0 ? map.gradients : map.pass_gradients);
      const long at = pass * Run::pass_tokens;
      total += run<typename programs::training_step>(tokens.data() + at, targets.data() + at, to,
                                                     steps_ * Run::passes + pass);
      if constexpr (Run::passes > 1) {
        if (pass > 0) add_pass(pass == Run::passes - 1 ? 1.f / static_cast<float>(Run::passes) : 1.f);
      }
    }
    return total / static_cast<float>(Run::passes);
  }

  // The first pass of gradients(), each launch through each(kernel number, launch): for timing kernels one by
  // one.
  template <class Observe>
  float observe_gradients(std::span<const std::int32_t> tokens, std::span<const std::int32_t> targets,
                          Observe const& each) {
    check_tokens(tokens, Run::tokens, Run::vocabulary, "tokens");
    check_tokens(targets, Run::tokens, Run::vocabulary, "targets");
    return observe<typename programs::training_step>(tokens.data(), targets.data(), floats(map.gradients),
                                                     steps_ * Run::passes, each);
  }

  // One step of the optimizer on the gradients, scaled down where their norm is above `largest_norm`.
  update_result update(float learning_rate, float largest_norm = 1.f) {
    update_result r;
    r.gradient_norm = std::sqrt(optimizer::square_sum(floats(map.gradients), workspace()));
    r.applied = std::isfinite(r.gradient_norm);
    ++steps_;
    if (!r.applied) return r;
    ++updates_;
    const float scale = r.gradient_norm > largest_norm ? largest_norm / r.gradient_norm : 1.f;
    optimizer::update(floats(map.parameters), floats(map.gradients), floats(map.states), workspace(),
                      learning_rate, scale, updates_);
    return r;
  }

  // Mean loss in nats per token without dropout, of Run::pass_sequences sequences. Gradients are kept.
  float evaluate(std::span<const std::int32_t> tokens, std::span<const std::int32_t> targets) {
    check_tokens(tokens, Run::pass_tokens, Run::vocabulary, "tokens");
    check_tokens(targets, Run::pass_tokens, Run::vocabulary, "targets");
    return run<typename programs::evaluation_step>(tokens.data(), targets.data(), floats(map.gradients), 0);
  }

  // The flat arenas; what lies between the entries is zero.
  std::span<float> parameters() {
    return {floats(map.parameters), static_cast<std::size_t>(layout::elements)};
  }
  std::span<const float> parameters() const {
    return {floats(map.parameters), static_cast<std::size_t>(layout::elements)};
  }
  std::span<float> gradient_values() {
    return {floats(map.gradients), static_cast<std::size_t>(layout::elements)};
  }
  static constexpr int states = Run::optimizer_type::states;
  std::span<float> state(int number) {
    return {floats(map.states) + number * layout::elements, static_cast<std::size_t>(layout::elements)};
  }

  std::uint64_t seed() const { return seed_; }
  // Calls of update, which random numbers follow, and those that were applied, which the optimizer counts.
  long steps() const { return steps_; }
  long updates() const { return updates_; }
  // Goes on with another run's arenas and numbers: then every result is that run's.
  void resume_at(std::uint64_t seed, long steps, long updates) {
    seed_ = seed;
    steps_ = steps;
    updates_ = updates;
  }

 private:
  arena memory_;
  std::uint64_t seed_ = 0;
  long steps_ = 0, updates_ = 0;

  float* floats(std::size_t offset) const { return reinterpret_cast<float*>(memory_.data() + offset); }
  std::byte* workspace() const { return memory_.data() + map.workspace; }

  template <class Step>
  float run(std::int32_t const* tokens, std::int32_t const* targets, float* gradients, long number) {
    return observe<Step>(tokens, targets, gradients, number, [](int, auto const& launch) { launch(); });
  }
  template <class Step, class Observe>
  float observe(std::int32_t const* tokens, std::int32_t const* targets, float* gradients, long number,
                Observe const& each) {
    float loss = 0;
    void* inputs[] = {const_cast<std::int32_t*>(tokens), const_cast<std::int32_t*>(targets)};  // read only
    void* outputs[] = {&loss};
    Step::run_observed({workspace(), memory_.data() + map.parameters, reinterpret_cast<std::byte*>(gradients),
                        inputs, outputs, seed_, static_cast<std::uint32_t>(number)},
                       each);
    return loss;
  }

  void add_pass(float factor) {
    void* inputs[] = {floats(map.gradients), floats(map.pass_gradients), &factor};
    void* outputs[] = {floats(map.gradients)};
    programs::accumulate_step::run({.workspace = workspace(), .inputs = inputs, .outputs = outputs});
  }

  // Starts the threads and maps their scratch, so that the first step does not have to.
  void warm_up() {
    const std::vector<std::int32_t> zeros(static_cast<std::size_t>(Run::tokens));
    evaluate(std::span(zeros).first(static_cast<std::size_t>(Run::pass_tokens)),
             std::span(zeros).first(static_cast<std::size_t>(Run::pass_tokens)));
    gradients(zeros, zeros);
    update(0);
    for (int k = 0; k < states; ++k) std::memset(state(k).data(), 0, state(k).size_bytes());
    std::memset(gradient_values().data(), 0, gradient_values().size_bytes());
    steps_ = updates_ = 0;
  }
};

}  // namespace formwork
