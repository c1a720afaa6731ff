// The axes of a plot: which round numbers stand at an axis, and how they are written.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

namespace formwork::train {

// The smallest interval around what was included.
struct plot_range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

// An axis over a range with at most about `most` ticks at multiples of 1, 2 or 5 times a power of ten. An empty range
// becomes [0, 1], a single value gets room on both sides. With `whole`, the axis ends at ticks.
class plot_axis {
 public:
  plot_axis(plot_range range, int most, bool whole) {
    if (!(range.low <= range.high)) range = {0, 1};
    if (const double least = 1e-9 * std::max({std::abs(range.low), std::abs(range.high), 1e-290}); range.high - range.low < least) {
      const double room = std::abs(range.low) / 2;
      range = range.low == 0 ? plot_range{0, 1} : plot_range{range.low - room, range.high + room};
    }
    // Halves, so that a range of opposite huge numbers does not overflow.
    const double raw = 2 * (range.high / 2 / std::max(1, most) - range.low / 2 / std::max(1, most));
    const double power = std::pow(10, std::floor(std::log10(raw)));
    step_ = power * (raw <= power ? 1 : raw <= 2 * power ? 2 : raw <= 5 * power ? 5 : 10);
    low_ = whole ? std::floor(range.low / step_ + 1e-9) * step_ : range.low;
    high_ = whole ? std::ceil(range.high / step_ - 1e-9) * step_ : range.high;
  }

  double low() const { return low_; }
  double high() const { return high_; }
  double step() const { return step_; }
  // 0 at the low end, 1 at the high one.
  double place(double value) const { return (value / 2 - low_ / 2) / (high_ / 2 - low_ / 2); }

  std::vector<double> ticks() const {
    std::vector<double> at;
    const double first = std::ceil(low_ / step_ - 1e-9);
    for (int i = 0; i < 100; ++i) {
      const double value = (first + i) * step_;
      if (value > high_ + 1e-9 * step_) break;
      at.push_back(value == 0 ? 0.0 : value);  // no minus zero
    }
    return at;
  }
  // With the decimals that tell the ticks apart; 1,000 grouped by a thin space; powers beyond 10^7.
  std::string text(double value) const {
    char buffer[64];
    const double largest = std::max(std::abs(low_), std::abs(high_));
    if (largest >= 1e7 || largest < 1e-4) {
      std::snprintf(buffer, sizeof buffer, "%.3g", value);
      return buffer;
    }
    const int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step_) - 1e-9)), 0, 9);
    std::snprintf(buffer, sizeof buffer, "%.*f", decimals, value);
    std::string text = buffer;
    for (char& c : text) if (c == ',') c = '.';  // whatever the locale
    const std::size_t end = std::min(text.find('.'), text.size()), begin = value < 0 ? 1 : 0;
    if (end - begin > 3)
      for (std::size_t i = end; i > begin + 3; i -= 3) text.insert(i - 3, "\xe2\x80\xaf");
    return text;
  }

 private:
  double low_ = 0, high_ = 1, step_ = 1;
};

}  // namespace formwork::train
