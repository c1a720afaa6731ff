// training_step<Run>: parameters, gradients, optimizer states and workspace in one arena, and the steps that
// work on them. After construction nothing is allocated, and nothing is thrown but for bad input.
#pragma once

#include <array>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "initialize.hpp"
#include "step_exchange.hpp"
#include "token_check.hpp"

namespace formwork {

struct update_result {
  float gradient_norm = 0;  // before clipping
  bool applied = false;     // no where the norm is not a finite number: then nothing has changed
  float loss_scale = 1;     // that the gradients had been computed with (f16 only)
};
struct step_result : update_result {
  float loss = 0;           // mean, nats per token
};

template <class Run> class training_step {
  using programs = run_programs<Run>;
  using optimizer = typename programs::optimizer;
  using exchange = step_exchange<Run>;
  using token_span = std::span<const std::int32_t>;
  static constexpr arena_map map = arena_map_of<Run>;
  enum recording { whole_step, gradients_alone, update_alone, evaluation, copying, recordings };

 public:
  using layout = typename programs::layout;
  static constexpr auto const& entries = layout::entries;

  // What the device takes from its caller, such as a GPU's stream and allocator; nothing on a CPU.
  using device_options = typename programs::device::session::options;

  // Maps the arena and gives the parameters their first values: equal seeds, equal runs. Throws
  // std::runtime_error where the system has no memory for it, and a GPU's cuda_error.
  explicit training_step(std::uint64_t seed = 0, device_options const& on = {})
      : session_(static_cast<std::size_t>(arena_bytes<Run>), exchange::bytes, recordings, on), seed_(seed) {
    set_loss_scale(first_loss_scale);
    warm_up();
    set_loss_scale(first_loss_scale);
    initialize<typename Run::model_type>(parameters(), seed);
    commit();
  }

  // One step of training on Run::sequences sequences: tokens and targets (sequences, time). Gradients are scaled down
  // where their norm is above `largest_norm`. Throws std::invalid_argument where a number is not one of the vocabulary.
  step_result step(token_span tokens, token_span targets, float learning_rate, float largest_norm = 1.f) {
    if (begun() > 0) throw std::logic_error("training_step: a step has begun already; call end() for it before step().");
    begin(tokens, targets, learning_rate, largest_norm);
    try {
      return end();
    } catch (...) {
      session_.settle();
      settled_ = ended_ = begun_;
      throw;
    }
  }

  // A step in two halves: begin() hands it to the device, end() waits for the earliest that has begun. A GPU has no
  // pause between two steps where the next one begins before the last one has ended; a CPU is done with a step when
  // begin() returns. A step counts from its beginning: whatever else is asked of the run waits for it. One that begins
  // behind a step under way takes that one for applied; where it was not, AdamW's bias correction is a step too far.
  void begin(token_span tokens, token_span targets, float learning_rate, float largest_norm = 1.f) {
    if (begun() > ahead) throw std::logic_error("training_step: " + std::to_string(ahead + 1) + " steps have begun already; call end() before begin().");
    if (begun() == 0) begun_ = settled_ = ended_ = 0;
    const int which = exchange_of(begun_);
    take(which, tokens, targets);
    take_numbers(which, learning_rate, largest_norm, updates_ + (begun_ - settled_));
    session_.start(whole_step, which, [&] { launch_step(); });
    ++steps_;
    ++begun_;
  }
  step_result end() {
    if (begun() == 0) throw std::logic_error("training_step: no step has begun; call begin() before end().");
    if (settled_ == ended_) settle_one();
    return results_[static_cast<std::size_t>(exchange_of(ended_++))];
  }
  // Steps that have begun and that nobody has called end() for, and how many of them may be behind the first one.
  int begun() const { return static_cast<int>(begun_ - ended_); }
  static constexpr int ahead = programs::device::session::exchanges - 1;

  // Mean loss in nats per token, and its gradients alone; with f16 those of loss_scale() times the loss.
  float gradients(token_span tokens, token_span targets) {
    settle();
    take(0, tokens, targets);
    session_.run(gradients_alone, [&] { launch_passes(); });
    return mean_loss(0);
  }

  // The first pass of gradients(), each launch through each(kernel number, launch): for timing kernels one by
  // one.
  template <class Observe> float observe_gradients(token_span tokens, token_span targets, Observe const& each) {
    settle();
    take(0, tokens, targets);
    observe<typename programs::training_step>(0, floats(map.gradients), each);
    return host(0).losses()[0];
  }

  // One step of the optimizer on the gradients.
  update_result update(float learning_rate, float largest_norm = 1.f) {
    settle();
    take_numbers(0, learning_rate, largest_norm, updates_);
    session_.run(update_alone, [&] { launch_update(); });
    ++steps_;
    return updated(0);
  }

  // Mean loss in nats per token without dropout, of Run::pass_sequences sequences. Gradients are kept.
  float evaluate(token_span tokens, token_span targets) {
    check_tokens(tokens, Run::pass_tokens, Run::vocabulary, "tokens");
    check_tokens(targets, Run::pass_tokens, Run::vocabulary, "targets");
    settle();
    host(0).take_pass(0, tokens, targets);
    host(0).random()[0] = {seed_, 0};
    session_.run(evaluation, [&] { observe<typename programs::evaluation_step>(0, floats(map.gradients), [](int, auto const& launch) { launch(); }); });
    return host(0).losses()[0];
  }

  // The flat arenas as the host sees them; what lies between the entries is zero. What is written counts after commit().
  std::span<float> parameters() { return view(map.parameters); }
  std::span<const float> parameters() const { return view(map.parameters); }
  std::span<float> gradient_values() { return view(map.gradients); }
  static constexpr int states = Run::optimizer_type::states;
  std::span<float> state(int number) { return view(map.states + static_cast<std::size_t>(number) * part); }
  void commit() {
    settle();
    session_.commit(map.parameters, part);
    session_.commit(map.gradients, part);
    if constexpr (states > 0) session_.commit(map.states, static_cast<std::size_t>(states) * part);
    if constexpr (optimizer::copies) session_.run(copying, [&] { optimizer::copy(floats(map.parameters), copies(), workspace(), session_.queue()); });
  }

  // Launches and copies of one whole step as a device recorded it.
  long recorded_nodes() const
    requires requires(typename programs::device::session s) { s.nodes(0); }
  {
    return session_.nodes(whole_step);
  }

  std::uint64_t seed() const { return seed_; }
  // Calls of update, which random numbers follow, and those that were applied, which the optimizer counts.
  long steps() const { return steps_; }
  long updates() {
    settle();
    return updates_;
  }
  // What the loss is multiplied by for the gradients of the next step; 1 but for f16.
  float loss_scale() {
    settle();
    return loss_scale_;
  }
  // Goes on with another run's arenas and numbers: then every result is that run's.
  void resume_at(std::uint64_t seed, long steps, long updates, float loss_scale = first_loss_scale) {
    forget_begun();
    set_loss_scale(loss_scale);
    seed_ = seed;
    steps_ = steps;
    updates_ = updates;
  }

  // Waits for the steps that have begun; nobody asks what came of them.
  void forget_begun() {
    settle();
    ended_ = begun_;
  }

 private:
  static constexpr std::size_t part = static_cast<std::size_t>(layout::elements) * sizeof(float);
  mutable typename programs::device::session session_;
  std::uint64_t seed_ = 0;
  long steps_ = 0, updates_ = 0;
  float loss_scale_ = 1;  // as far as the host has heard
  // Of the steps since none was under way: begun; done, and their results read; ended.
  long begun_ = 0, settled_ = 0, ended_ = 0;
  std::array<step_result, ahead + 1> results_;
  static constexpr int exchange_of(long step) { return static_cast<int>(step % (ahead + 1)); }

  exchange host(int which) const { return exchange{session_.host_exchange(which)}; }
  exchange device() const { return exchange{session_.exchange()}; }
  float* floats(std::size_t offset) const { return reinterpret_cast<float*>(session_.memory() + offset); }
  std::byte* copies() const { return session_.memory() + map.copies; }
  std::byte* workspace() const { return session_.memory() + map.workspace; }
  std::span<float> view(std::size_t offset) const {
    return {reinterpret_cast<float*>(session_.view(offset, part)), static_cast<std::size_t>(layout::elements)};
  }

  // What a recording is given and what it leaves.
  void take(int which, token_span tokens, token_span targets) {
    check_tokens(tokens, Run::tokens, Run::vocabulary, "tokens");
    check_tokens(targets, Run::tokens, Run::vocabulary, "targets");
    for (long pass = 0; pass < Run::passes; ++pass) {
      const auto at = static_cast<std::size_t>(pass * Run::pass_tokens), count = static_cast<std::size_t>(Run::pass_tokens);
      host(which).take_pass(pass, tokens.subspan(at, count), targets.subspan(at, count));
      host(which).random()[pass] = {seed_, static_cast<std::uint32_t>(steps_ * Run::passes + pass)};
      host(which).factor(pass)[0] = pass > 0 && pass == Run::passes - 1 ? 1.f / static_cast<float>(Run::passes) : 1.f;
    }
  }
  void take_numbers(int which, float learning_rate, float largest_norm, long updates_before) {
    const auto all = optimizer::numbers_of(learning_rate, updates_before + 1, largest_norm, steps_ + 1);
    std::copy(all.begin(), all.end(), host(which).numbers());
  }
  float mean_loss(int which) const {
    float total = 0;
    for (long pass = 0; pass < Run::passes; ++pass) total += host(which).losses()[pass];
    return total / static_cast<float>(Run::passes);
  }
  update_result updated(int which) {
    update_result r;
    r.loss_scale = loss_scale_;
    r.gradient_norm = std::sqrt(host(which).square_sum()[0]) / loss_scale_;
    r.applied = std::isfinite(r.gradient_norm);
    if (r.applied) ++updates_;
    if constexpr (optimizer::scaled) loss_scale_ = host(which).loss_scale()[0];
    return r;
  }
  void set_loss_scale(float x) {
    if constexpr (optimizer::scaled) {
      loss_scale_ = x;
      session_.upload(map.loss_scale, &x, sizeof x);
    }
  }
  void settle_one() {
    const int which = exchange_of(settled_);
    session_.wait(which);
    step_result& r = results_[static_cast<std::size_t>(which)];
    static_cast<update_result&>(r) = updated(which);
    r.loss = mean_loss(which);
    ++settled_;
  }
  void settle() {
    while (settled_ < begun_) settle_one();
  }

  void launch_step() {
    launch_passes();
    launch_update();
  }
  void launch_passes() {
    for (long pass = 0; pass < Run::passes; ++pass) {
      observe<typename programs::training_step>(pass, floats(pass == 0 ? map.gradients : map.pass_gradients), [](int, auto const& launch) { launch(); });
      if constexpr (Run::passes > 1) {
        if (pass > 0) {
          void* inputs[] = {floats(map.gradients), floats(map.pass_gradients), device().factor(pass)};
          void* outputs[] = {floats(map.gradients)};
          programs::accumulate_step::run({.workspace = workspace(), .inputs = inputs, .outputs = outputs, .queue = session_.queue()});
        }
      }
    }
  }
  template <class Step, class Observe> void observe(long pass, float* gradients, Observe const& each) {
    void* inputs[] = {device().tokens(pass), device().targets(pass), floats(map.loss_scale)};
    void* outputs[] = {device().losses() + pass};
    Step::run_observed({.workspace = workspace(), .parameters = copies(), .gradients = reinterpret_cast<std::byte*>(gradients),
                        .inputs = inputs, .outputs = outputs, .random_at = device().random() + pass, .queue = session_.queue()},
                       each);
  }
  void launch_update() {
    optimizer::square_sum(floats(map.gradients), device().square_sum(), workspace(), session_.queue());
    optimizer::update(floats(map.parameters), floats(map.gradients), floats(map.states), device().numbers(), device().square_sum(), copies(), workspace(),
                      session_.queue(), floats(map.loss_scale));
    if constexpr (optimizer::scaled) optimizer::next_loss_scale(floats(map.loss_scale), device().square_sum(), device().numbers(), device().loss_scale(), workspace(), session_.queue());
  }

  // Starts the threads, maps their scratch and records the steps, so that the first one does not have to.
  void warm_up() {
    const std::vector<std::int32_t> zeros(static_cast<std::size_t>(Run::tokens));
    evaluate(std::span(zeros).first(static_cast<std::size_t>(Run::pass_tokens)),
             std::span(zeros).first(static_cast<std::size_t>(Run::pass_tokens)));
    step(zeros, zeros, 0);
    for (int which = 1; which <= ahead; ++which) session_.prepare(whole_step, which, [&] { launch_step(); });
    session_.clear(map.states, static_cast<std::size_t>(states) * part);
    session_.clear(map.gradients, part);
    steps_ = updates_ = 0;
  }
};

}  // namespace formwork
