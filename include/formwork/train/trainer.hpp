// trainer<Run>: trains a language model on bytes, step by step, and keeps its record and its checkpoints.
//
//   formwork::train::token_split text(formwork::train::token_data("input.txt"), {.context = model::context});
//   formwork::trainer<run> trainer({.learning_rate = 1e-3f, .steps = 2000, .folder = "runs/first"});
//   for (auto const& progress : trainer.train(text)) std::cout << progress << '\n';
//   trainer.save("model.safetensors");
#pragma once

#include <chrono>
#include <exception>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <utility>

#include "../program/describe.hpp"
#include "csv_log.hpp"
#include "decoder.hpp"
#include "progress.hpp"
#include "token_split.hpp"
#include "trainer_settings.hpp"
#include "training_step.hpp"

namespace formwork {

// The loss or the gradients are no longer finite numbers; the sentence says where to go on from.
class diverged : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What a model computes, as a number that a checkpoint keeps: shapes alone do not tell 4 heads from 8.
template <class Model> std::uint64_t model_checksum() {
  const graph g = trace<logits_of, Model, language_model_prompt<1, static_cast<long>(Model::context)>>();
  return train::checksum_of(train::as_bytes(describe(g)));
}

template <class Run> class trainer {
 public:
  using model = typename Run::model_type;
  class session;

  using device_options = typename training_step<Run>::device_options;

  // Throws std::invalid_argument for settings out of range, and what training_step throws.
  explicit trainer(trainer_settings settings = {}, device_options const& on = {})
      : settings_((check_settings(settings), std::move(settings))), on_(on), step_(settings_.seed, on) {}

  // A range of progress, one for every step that is left; the steps are done while it is walked along. Throws
  // train::file_error where text or disk do not do, and diverged. The text outlives the session.
  session train(std::span<const std::uint8_t> training, std::span<const std::uint8_t> validation) { return session(*this, training, validation); }
  session train(const train::token_split& text) { return session(*this, text.training(), text.validation(), &text); }
  session train(train::token_split&&) = delete;

  // Mean loss in nats per token over windows of the text, at_most of them spread over it (0: all); the last windows
  // that do not fill a pass are left out.
  double evaluate(std::span<const std::uint8_t> text, std::uint64_t at_most = 0) {
    train::evaluation_set windows(text, {.context = Run::time, .batch = Run::pass_sequences, .at_most = at_most});
    const std::uint64_t passes = std::max<std::uint64_t>(1, windows.full_batches());
    double sum = 0;
    for (std::uint64_t i = 0; i < passes; ++i) {
      const auto batch = windows[i];
      sum += step_.evaluate(batch.inputs, batch.targets);
    }
    return sum / static_cast<double>(passes);
  }

  // The run as it stands, as a file, with a step that has begun (trainer_settings::ahead) done; throws train::file_error,
  // and then the old file stands.
  void save(const std::filesystem::path& path) {
    train::checkpoint_state state = state_;
    state.step = static_cast<std::uint64_t>(step_.steps());
    state.updates = static_cast<std::uint64_t>(step_.updates());
    state.seed = step_.seed();
    state.model = model_checksum<model>();
    state.extra.clear();
    keep_settings(state.extra, settings_);
    if constexpr (scales_loss<Run::storage>) state.extra["run.loss_scale"] = detail::shortest(step_.loss_scale());
    train::save_checkpoint(path, tensors(), state);
  }
  // Goes on from a file of save(): the rest of the run is, bit for bit, what it would have been without stopping, given
  // the same text and settings (restore_settings). Throws train::file_error, and then nothing has changed.
  void resume(const std::filesystem::path& path) {
    const auto before = train::read_checkpoint_state(train::safetensors_file(path));
    if (before.step >= static_cast<std::uint64_t>(settings_.steps))
      throw std::invalid_argument("The checkpoint has " + std::to_string(before.step) + " steps already, the run shall have " +
                                  std::to_string(settings_.steps) + "; choose more steps.");
    state_ = train::load_checkpoint(path, tensors(), model_checksum<model>());
    step_.commit();
    step_.resume_at(state_.seed, static_cast<long>(state_.step), static_cast<long>(state_.updates), kept_number(state_, "loss_scale", first_loss_scale));
    resumed_ = true;
  }
  // Parameters alone, of a checkpoint or any safetensors file with the model's names and shapes.
  void load(const std::filesystem::path& path) {
    train::load_parameters(path, parameters(), model_checksum<model>());
    step_.commit();
  }

  training_step<Run>& step() { return step_; }
  const trainer_settings& settings() const { return settings_; }
  auto make_decoder() { return decoder<model, typename Run::device_type>(step_.parameters(), on_); }

 private:
  std::vector<train::checkpoint_tensor> parameters() {
    std::vector<train::checkpoint_tensor> all;
    train::append_tensors(all, step_.entries, step_.parameters());
    return all;
  }
  std::vector<train::checkpoint_tensor> tensors() {
    auto all = parameters();
    for (int k = 0; k < step_.states; ++k) train::append_tensors(all, step_.entries, step_.state(k), "optimizer." + std::to_string(k) + ".");
    return all;
  }

  trainer_settings settings_;
  device_options on_;
  training_step<Run> step_;
  train::checkpoint_state state_;  // what the tensors do not say: position in the data, text
  bool resumed_ = false;
  bool records_ = false;  // the record in the folder is its own
};

template <class Run> class trainer<Run>::session {
  using clock = std::chrono::steady_clock;

 public:
  // `split`: where the text comes from, if the memory of a mapped one is to be given back on the way.
  session(trainer& of, std::span<const std::uint8_t> training, std::span<const std::uint8_t> validation, const train::token_split* split = nullptr)
      : t_(of), split_(split), validation_(validation), batches_(training, options(of, training, validation, split)), rate_(schedule_of(of.settings_)) {
    train::evaluation_set(validation, {.context = Run::time, .batch = 1});  // long enough, or throws
    open_record();
    p_.step = static_cast<std::uint64_t>(t_.step_.steps());
    p_.steps = static_cast<std::uint64_t>(t_.settings_.steps);
  }

  session(session const&) = delete;
  // A step that has begun when the loop is left belongs to the record; what it became is nobody's concern.
  ~session() {
    if (begun_ == 0) return;
    try {
      if (!done_) {
        end_step();
        record();
      }
      t_.step_.forget_begun();
    } catch (std::exception const&) {
    }
  }

  class iterator {
   public:
    using value_type = progress;
    using difference_type = std::ptrdiff_t;
    explicit iterator(session& of) : of_(&of) {}
    const progress& operator*() const { return of_->p_; }
    const progress* operator->() const { return &of_->p_; }
    iterator& operator++() { of_->advance(); return *this; }
    void operator++(int) { of_->advance(); }
    bool operator==(std::default_sentinel_t) const { return of_->done_; }

   private:
    session* of_;
  };
  iterator begin() {
    advance();
    return iterator(*this);
  }
  std::default_sentinel_t end() const { return {}; }

 private:
  static train::loader_options options(trainer& t, std::span<const std::uint8_t> training, std::span<const std::uint8_t> validation,
                                       const train::token_split* split) {
    train::checksum text;
    for (auto part : {training, validation})
      while (!part.empty()) {
        const auto some = part.first(std::min<std::size_t>(part.size(), 16 * MiB));
        text.add(std::as_bytes(some));
        part = part.subspan(some.size());
        if (split) split->release();
      }
    if (t.resumed_ && text.value() != t.state_.text)
      throw train::file_error("The checkpoint's run was trained on another text; name the text that it began with.");
    t.state_.text = text.value();
    return {.context = Run::time, .batch = Run::sequences, .seed = t.step_.seed(), .start = t.state_.data};
  }

  std::filesystem::path file(const char* name) const { return t_.settings_.folder / name; }

  void open_record() {
    const auto& folder = t_.settings_.folder;
    if (folder.empty()) return;
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) train::fail(folder, "cannot be made", error.value());
    if (!t_.resumed_ && !t_.records_ && (std::filesystem::exists(file("log.csv")) || std::filesystem::exists(file("checkpoint.safetensors"))))
      throw train::file_error(train::quoted(folder) + " holds another run; resume that one or name another folder.");
    const bool goes_on = t_.resumed_ || t_.records_;
    log_ = goes_on ? train::csv_log::resume(file("log.csv"), static_cast<std::uint64_t>(t_.step_.steps())) : train::csv_log::create(file("log.csv"));
    t_.records_ = true;
    if (!log_->rows().empty() && log_->rows().back().seconds > 0) earlier_ = log_->rows().back().seconds;
    for (const auto& row : log_->rows())
      if (!std::isnan(row.validation_loss)) p_.last_validation_loss = row.validation_loss;
  }

  void advance() {
    if (done_ || p_.step >= p_.steps) {
      done_ = true;
      log_.reset();  // another session may go on with the record
      return;
    }
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    if (t_.step_.begun() != begun_) throw std::logic_error("Another loop over this trainer's progress has a step under way; let that one end first.");
    if (begun_ == 0) begin_step(p_.step);
    if constexpr (training_step<Run>::ahead > 0)
      if (t_.settings_.ahead && !evaluates_after(p_.step + 1) && !evaluates_after(p_.step + 2)) {
        try {
          begin_step(p_.step + 1);
        } catch (...) {  // after the progress of this one
          failure_ = std::current_exception();
        }
      }
    end_step();
    finish_step();
  }

  // What steps of these numbers, counted from 1, are followed by.
  bool keeps_after(std::uint64_t step) const { return step == p_.steps || step % static_cast<std::uint64_t>(t_.settings_.checkpoint_every) == 0; }
  bool evaluates_after(std::uint64_t step) const { return keeps_after(step) || step % static_cast<std::uint64_t>(t_.settings_.evaluate_every) == 0; }

  // `before`: the steps before this one.
  void begin_step(std::uint64_t before) {
    if (begun_ == 0) ended_ = clock::now();
    const train::token_batch batch = batches_.next();
    // Reading a window makes up to 64 KiB around it resident: 256 of them 16 MiB.
    if (split_ && (windows_ += Run::sequences) >= 256) {
      split_->release();
      windows_ = 0;
    }
    t_.step_.begin(batch.inputs, batch.targets, static_cast<float>(rate_.rate(static_cast<long>(before))), t_.settings_.largest_norm);
    ++begun_;
    t_.state_.data = batches_.position();
  }
  void end_step() {
    const step_result result = t_.step_.end();
    --begun_;
    const auto now = clock::now();
    trained_ += std::chrono::duration<double>(now - std::exchange(ended_, now)).count();
    ++steps_here_;
    p_.tokens_per_second = static_cast<double>(steps_here_) * static_cast<double>(Run::tokens) / trained_;
    if (t_.settings_.peak > 0) p_.fraction_of_peak = p_.tokens_per_second * flops_per_token<Run> / t_.settings_.peak;
    p_.validation_loss = p_.gradient_norm = progress::none;
    p_.learning_rate = rate_.rate(static_cast<long>(p_.step));
    p_.loss = result.loss;
    if (!std::isfinite(p_.loss)) diverge("loss", p_.loss);
    p_.gradient_norm = result.gradient_norm;
    // In f16 a step is left out now and then, and the loss's scale falls until its gradients are finite again.
    if (!result.applied && !(scales_loss<Run::storage> && result.loss_scale > 1)) diverge("norm of the gradients", result.gradient_norm);
    ++p_.step;
    p_.tokens = p_.step * static_cast<std::uint64_t>(Run::tokens);
  }
  void finish_step() {
    const trainer_settings& s = t_.settings_;
    const bool evaluates = evaluates_after(p_.step);
    if (evaluates) {
      const auto start = clock::now();
      p_.validation_loss = p_.last_validation_loss = t_.evaluate(validation_, static_cast<std::uint64_t>(s.evaluation_windows));
      evaluated_ += std::chrono::duration<double>(clock::now() - start).count();
      ++evaluations_;
      if (split_) split_->release();
      if (!std::isfinite(p_.validation_loss)) diverge("validation loss", p_.validation_loss);
    }
    const double left = static_cast<double>(p_.steps - p_.step);
    p_.seconds_left = left * trained_ / static_cast<double>(steps_here_);
    if (evaluations_ > 0) p_.seconds_left += left / static_cast<double>(s.evaluate_every) * evaluated_ / evaluations_;
    record();
    if (evaluates) draw();
    if (keeps_after(p_.step) && !s.folder.empty()) {
      log_->sync();
      t_.save(file("checkpoint.safetensors"));
      kept_ = true;
    }
  }

  void record() {
    if (!log_) return;
    log_->append({p_.step, p_.tokens, p_.loss, p_.validation_loss, p_.learning_rate, p_.gradient_norm, p_.tokens_per_second, earlier_ + trained_ + evaluated_});
  }
  void draw() const {
    if (!log_) return;
    const trainer_settings& s = t_.settings_;
    train::loss_plot plot;
    plot.title = s.title.empty() ? "Training" : s.title;
    plot.yardsticks = s.yardsticks;
    plot.curves = {{"training", {}, true, false}, {"validation", {}, false, true}};
    for (const auto& row : log_->rows()) {
      plot.curves[0].points.push_back({static_cast<double>(row.step), row.loss});
      if (!std::isnan(row.validation_loss)) plot.curves[1].points.push_back({static_cast<double>(row.step), row.validation_loss});
    }
    train::write_svg(file("loss.svg"), plot);
  }
  // The record says what happened; the checkpoint in the folder is of an earlier step, whose loss was finite.
  [[noreturn]] void diverge(const char* what, double value) {
    const bool counted = std::string_view(what) == "validation loss";
    const std::uint64_t number = p_.step + (counted ? 0 : 1);
    p_.step = number;
    record();
    draw();
    done_ = true;
    log_.reset();
    std::string to = "choose a smaller learning rate.";
    if (kept_ || (t_.resumed_ && std::filesystem::exists(file("checkpoint.safetensors"))))
      to = "resume from " + train::quoted(file("checkpoint.safetensors")) + " with a smaller learning rate.";
    throw diverged("The " + std::string(what) + " became " + (std::isnan(value) ? "NaN" : "infinite") + " at step " + std::to_string(number) + "; " + to);
  }

  trainer& t_;
  const train::token_split* split_;
  long windows_ = 0;  // read since the text's memory was given back
  std::span<const std::uint8_t> validation_;
  train::loader<std::uint8_t> batches_;
  cosine_decay rate_;
  std::optional<train::csv_log> log_;
  progress p_;
  clock::time_point ended_;                           // the last step; or, where none was under way, when this one began
  int begun_ = 0;                                     // steps under way
  std::exception_ptr failure_;                        // of the step behind the one whose progress is shown
  double trained_ = 0, evaluated_ = 0, earlier_ = 0;  // seconds
  std::uint64_t steps_here_ = 0;
  double evaluations_ = 0;
  bool done_ = false, kept_ = false;
};

}  // namespace formwork
