// progress: where a training run stands, as a value and as text.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <sys/ioctl.h>
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
// In fewer columns the least telling parts are left out, and what is still too long is cut.
inline std::string to_string(const progress& p, std::size_t columns = std::string::npos) {
  struct part { std::string text; int rank; };  // the highest rank goes first
  std::vector<part> parts{{detail::formatted("step %llu/%llu", static_cast<unsigned long long>(p.step), static_cast<unsigned long long>(p.steps)), 0},
                          {detail::formatted("loss %.3f", p.loss), 0}};
  const auto add = [&](double value, std::string text, int rank) {
    if (!std::isnan(value)) parts.push_back({std::move(text), rank});
  };
  add(p.last_validation_loss, detail::formatted("validation %.3f", p.last_validation_loss), 1);
  add(p.learning_rate, detail::formatted("rate %.1e", p.learning_rate), 5);
  add(p.gradient_norm, detail::formatted("norm %.2f", p.gradient_norm), 6);
  add(p.tokens_per_second, detail::formatted("%.0f tokens/s", p.tokens_per_second), 3);
  add(p.fraction_of_peak, detail::formatted("%.0f%% of peak", 100 * p.fraction_of_peak), 4);
  add(p.seconds_left, detail::clock_text(p.seconds_left) + " left", 2);
  for (;;) {
    std::string text;
    for (const auto& each : parts) text += (text.empty() ? "" : "  ") + each.text;
    const auto least = std::max_element(parts.begin(), parts.end(), [](const part& x, const part& y) { return x.rank < y.rank; });
    if (text.size() <= columns) return text;
    if (least->rank == 0) return text.substr(0, columns);
    parts.erase(least);
  }
}
inline std::ostream& operator<<(std::ostream& to, const progress& p) { return to << to_string(p); }

// Shows progress: on a terminal a line that is rewritten, as wide as the terminal is at that moment; in a pipe or a
// file a line per evaluation, for the last step, and whenever 10 s passed without one.
class progress_line {
 public:
  void show(const progress& p) {
    const bool keeps = p.evaluated() || p.step == p.steps;
    const auto now = std::chrono::steady_clock::now();
    if (!keeps && now - shown_ < (terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10'000))) return;
    shown_ = now;
    if (terminal_) std::fprintf(to_, "\r\x1b[K%s%s", to_string(p, columns()).c_str(), keeps ? "\n" : "");
    else std::fprintf(to_, "%s\n", to_string(p).c_str());
    open_ = terminal_ && !keeps;
    std::fflush(to_);
  }
  // Before anything else is printed.
  void end() {
    if (open_) std::fprintf(to_, "\n");
    open_ = false;
    std::fflush(to_);
  }
  explicit progress_line(std::FILE* to = stdout) : to_(to), terminal_(::isatty(::fileno(to)) == 1) {}
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;
  ~progress_line() { end(); }

 private:
  // One less than there are: a full line would wrap, and could not be rewritten.
  std::size_t columns() const {
    winsize size{};
    return (::ioctl(::fileno(to_), TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80) - 1u;
  }

  std::FILE* to_;
  bool terminal_, open_ = false;
  std::chrono::steady_clock::time_point shown_ = std::chrono::steady_clock::now();
};

}  // namespace formwork
