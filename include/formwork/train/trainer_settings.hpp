// The settings of a training run, and how a checkpoint keeps them.
#pragma once

#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "../optim/schedule.hpp"
#include "checkpoint.hpp"
#include "svg_plot.hpp"

namespace formwork {

struct trainer_settings {
  float learning_rate = 1e-3f;     // after the warm-up
  float last_learning_rate = 0;    // of the last step, at the end of a cosine
  long warmup = 100;               // steps
  long steps = 2000;
  float largest_norm = 1;          // gradients above it are scaled down to it
  std::uint64_t seed = 0;          // of parameters, data order and dropout
  long evaluate_every = 250;       // steps; the last one is evaluated in any case
  long evaluation_windows = 512;   // of the validation text, spread over it; 0: all of them
  long checkpoint_every = 500;     // steps; the last one is kept in any case
  std::filesystem::path folder{};  // of checkpoint.safetensors, log.csv and loss.svg; empty: nothing is written
  // Steps begin before the progress of the one ahead of them is shown, so that a GPU has no pause between them; not those
  // around an evaluation or a checkpoint. What the loop over progress asks of the trainer (a checkpoint, parameters) is
  // then of the step that has begun, whose row is written when the loop goes on or ends. A CPU takes step after step.
  bool ahead = false;
  double peak = 0;                 // multiply-adds of the machine, flop/s; 0: no fraction of it is reported
  std::string title{};             // of the picture
  std::vector<train::plot_yardstick> yardsticks{};
};

namespace detail {

// Settings that decide the result: the ones that a checkpoint keeps.
void for_each_kept(auto& settings, auto&& each) {
  each("learning_rate", settings.learning_rate);
  each("last_learning_rate", settings.last_learning_rate);
  each("warmup", settings.warmup);
  each("steps", settings.steps);
  each("largest_norm", settings.largest_norm);
}

inline std::string shortest(auto value) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

}  // namespace detail

// Throws std::invalid_argument: what is out of range, and what to choose.
inline void check_settings(const trainer_settings& s) {
  const auto require_that = [](bool holds, std::string_view name, auto value, std::string_view choose) {
    if (!holds) throw std::invalid_argument("The " + std::string(name) + " is " + detail::shortest(value) + "; choose " + std::string(choose) + ".");
  };
  require_that(s.learning_rate > 0 && s.learning_rate <= 10, "learning rate", s.learning_rate, "a number above 0, at most 10");
  require_that(s.last_learning_rate >= 0 && s.last_learning_rate <= s.learning_rate, "last learning rate", s.last_learning_rate,
               "a number from 0 to the learning rate");
  require_that(s.steps > 0 && s.steps <= 1'000'000'000, "number of steps", s.steps, "a number from 1 to 1000000000");
  require_that(s.warmup >= 0, "number of warm-up steps", s.warmup, "a number from 0 on");
  require_that(s.largest_norm > 0, "largest gradient norm", s.largest_norm, "a number above 0");
  require_that(s.evaluate_every > 0, "number of steps between evaluations", s.evaluate_every, "a number from 1 on");
  require_that(s.evaluation_windows >= 0, "number of evaluation windows", s.evaluation_windows, "a number from 0 (all) on");
  require_that(s.checkpoint_every > 0, "number of steps between checkpoints", s.checkpoint_every, "a number from 1 on");
}

inline cosine_decay schedule_of(const trainer_settings& s) {
  return {.peak = s.learning_rate, .last = s.last_learning_rate, .warmup = s.warmup, .steps = s.steps};
}

// What a checkpoint says about the settings of its run.
inline void keep_settings(train::safetensors_metadata& to, const trainer_settings& settings) {
  detail::for_each_kept(settings, [&](std::string_view name, auto value) { to["run." + std::string(name)] = detail::shortest(value); });
}
// A number that a checkpoint keeps under this name; `otherwise` where it has none.
template <class Number> Number kept_number(const train::checkpoint_state& state, std::string_view name, Number otherwise) {
  const auto at = state.extra.find("run." + std::string(name));
  if (at == state.extra.end()) return otherwise;
  const std::string& text = at->second;
  Number read = otherwise;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), read);
  return error == std::errc() && end == text.data() + text.size() ? read : otherwise;
}
inline void restore_settings(trainer_settings& settings, const train::checkpoint_state& state) {
  settings.seed = state.seed;
  detail::for_each_kept(settings, [&](std::string_view name, auto& value) { value = kept_number(state, name, value); });
}
// The same from a file, before anything of it is used; throws train::file_error.
inline void restore_settings(trainer_settings& settings, const std::filesystem::path& checkpoint) {
  restore_settings(settings, train::read_checkpoint_state(train::safetensors_file(checkpoint)));
}

}  // namespace formwork
