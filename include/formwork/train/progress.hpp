// progress: where a training run stands, as a value and as text.
#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <ostream>
#include <string>

#include <unistd.h>

namespace formwork {

// NaN stands for what was not measured in this step.
struct progress {
  static constexpr double none = std::numeric_limits<double>::quiet_NaN();

  std::uint64_t step = 0, steps = 0;   // done, and of the whole run
  std::uint64_t tokens = 0;            // seen since the beginning of training
  double loss = none;                  // nats per token, of the step's batch
  double validation_loss = none;       // nats per token, where this step ended with an evaluation
  double last_validation_loss = none;  // the newest one
  double learning_rate = none;
  double gradient_norm = none;         // before clipping
  double tokens_per_second = none;     // of training since the run's start or resume, evaluations left out
  double fraction_of_peak = none;      // of the machine's multiply-adds
  double seconds_left = none;

  bool evaluated() const { return !std::isnan(validation_loss); }
};

namespace detail {
template <class... Number> std::string formatted(const char* format, Number... number) {
  char text[256];
  std::snprintf(text, sizeof text, format, number...);
  return text;
}
// 75 -> "1:15", 3675 -> "1:01:15"
inline std::string clock_text(double seconds) {
  if (!(seconds < 1e8)) return "-:--";
  const long s = static_cast<long>(seconds + 0.5);
  return s < 3600 ? formatted("%ld:%02ld", s / 60, s % 60) : formatted("%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}
}  // namespace detail

// "step 250/2000  loss 2.314  validation 2.290  rate 9.8e-04  norm 0.81  41250 tokens/s  52% of peak  1:15 left"
inline std::string to_string(const progress& p) {
  std::string text = detail::formatted("step %llu/%llu  loss %.3f", static_cast<unsigned long long>(p.step), static_cast<unsigned long long>(p.steps), p.loss);
  if (!std::isnan(p.last_validation_loss)) text += detail::formatted("  validation %.3f", p.last_validation_loss);
  text += detail::formatted("  rate %.1e  norm %.2f", p.learning_rate, p.gradient_norm);
  if (!std::isnan(p.tokens_per_second)) text += detail::formatted("  %.0f tokens/s", p.tokens_per_second);
  if (!std::isnan(p.fraction_of_peak)) text += detail::formatted("  %.0f%% of peak", 100 * p.fraction_of_peak);
  if (!std::isnan(p.seconds_left)) text += "  " + detail::clock_text(p.seconds_left) + " left";
  return text;
}
inline std::ostream& operator<<(std::ostream& to, const progress& p) { return to << to_string(p); }

// Shows progress on stdout: a line that is rewritten on a terminal, in a pipe a line per evaluation and the last step.
class progress_line {
 public:
  void show(const progress& p) {
    const bool keeps = p.evaluated() || p.step == p.steps;
    if (!terminal_ && !keeps) return;
    const auto now = std::chrono::steady_clock::now();
    if (!keeps && now - shown_ < std::chrono::milliseconds(100)) return;
    shown_ = now;
    if (terminal_) std::printf("\r\x1b[K%s%s", to_string(p).c_str(), keeps ? "\n" : "");
    else std::printf("%s\n", to_string(p).c_str());
    open_ = terminal_ && !keeps;
    std::fflush(stdout);
  }
  // Before anything else is printed.
  void end() {
    if (open_) std::printf("\n");
    open_ = false;
    std::fflush(stdout);
  }
  progress_line() = default;
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;
  ~progress_line() { end(); }

 private:
  bool terminal_ = ::isatty(STDOUT_FILENO) == 1, open_ = false;
  std::chrono::steady_clock::time_point shown_{};
};

}  // namespace formwork
