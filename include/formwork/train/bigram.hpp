// The bigram model: the yardstick that a language model of bytes has to beat.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <stdexcept>
#include <vector>

namespace formwork::train {

// p(b | a) = (n(a,b) + alpha p(b)) / (n(a) + alpha),  p(b) = (n(b) + 1) / (n + 256)
// A bigram estimate that falls back on the frequency of single bytes where a was rarely seen (a Dirichlet prior:
// MacKay and Peto, "A hierarchical Dirichlet language model", 1995). Without smoothing one unseen pair would cost
// an infinite loss, and with a bad one the baseline would be easy to beat.
class bigram_model {
 public:
  // `pause` is called after every 16 MiB of the text.
  explicit bigram_model(std::span<const std::uint8_t> text, const std::function<void()>& pause = {}) : pairs_(pairs_of(text, pause)) {
    for (std::size_t a = 0; a < 256; ++a)
      for (std::size_t b = 0; b < 256; ++b) {
        firsts_[a] += pairs_[a * 256 + b];
        singles_[b] += pairs_[a * 256 + b];
      }
    if (!text.empty()) ++singles_[text.front()];
    total_ = text.size();
  }

  double probability(std::uint8_t a, std::uint8_t b, double alpha) const {
    const double single = (static_cast<double>(singles_[b]) + 1) / (static_cast<double>(total_) + 256);
    return (static_cast<double>(pairs_[a * 256u + b]) + alpha * single) / (static_cast<double>(firsts_[a]) + alpha);
  }

  // Mean of -ln p(b | a) over the neighbours of the text, in nats per byte; NaN for less than 2 bytes.
  double cross_entropy(std::span<const std::uint8_t> text, double alpha, const std::function<void()>& pause = {}) const {
    return text.size() < 2 ? std::numeric_limits<double>::quiet_NaN() : cross_entropy(pairs_of(text, pause), text.size() - 1, alpha);
  }
  // The same of counted pairs, so that each pair's logarithm is taken once.
  double cross_entropy(const std::vector<std::uint64_t>& counts, std::size_t pairs, double alpha) const {
    double sum = 0;
    for (std::size_t i = 0; i < counts.size(); ++i)
      if (counts[i])
        sum -= static_cast<double>(counts[i]) *
               std::log(probability(static_cast<std::uint8_t>(i / 256), static_cast<std::uint8_t>(i % 256), alpha));
    return sum / static_cast<double>(pairs);
  }

  // n(a,b) at a * 256 + b.
  static std::vector<std::uint64_t> pairs_of(std::span<const std::uint8_t> text, const std::function<void()>& pause = {}) {
    constexpr std::size_t block = std::size_t(1) << 24;
    std::vector<std::uint64_t> counts(256 * 256);
    for (std::size_t first = 0; first + 1 < text.size(); first += block) {
      const std::size_t end = std::min(text.size() - 1, first + block);
      for (std::size_t i = first; i < end; ++i) ++counts[text[i] * 256u + text[i + 1]];
      if (pause) pause();
    }
    return counts;
  }

 private:
  std::vector<std::uint64_t> pairs_;                       // n(a,b)
  std::array<std::uint64_t, 256> firsts_{}, singles_{};    // n(a) with a successor, n(b)
  std::uint64_t total_ = 0;
};

struct bigram_result {
  double nats_per_byte;  // on the validation part
  double alpha;          // the smoothing that was chosen
};

// Cross-entropy of the bigram model of `training` on `validation`. alpha is the best of 2^-6 ... 2^12 for the last
// tenth of the training part under counts of the rest: the validation part has no say in it. Both parts need
// at least 2 bytes. `pause` is called after every 16 MiB that were read, as to give back the memory of a mapped text.
inline bigram_result bigram_cross_entropy(std::span<const std::uint8_t> training, std::span<const std::uint8_t> validation,
                                          const std::function<void()>& pause = {}) {
  if (training.size() < 2 || validation.size() < 2)
    throw std::invalid_argument("A bigram model needs at least 2 bytes to train on and 2 to judge; name more text.");
  const std::size_t held_out = std::max<std::size_t>(2, training.size() / 10);
  double alpha = 1;
  if (training.size() >= held_out + 2) {
    const bigram_model rest(training.first(training.size() - held_out), pause);
    const auto judged = bigram_model::pairs_of(training.last(held_out), pause);
    double best = std::numeric_limits<double>::infinity();
    for (int power = -6; power <= 12; ++power) {
      const double loss = rest.cross_entropy(judged, held_out - 1, std::ldexp(1.0, power));
      if (loss < best) {
        best = loss;
        alpha = std::ldexp(1.0, power);
      }
    }
  }
  return {bigram_model(training, pause).cross_entropy(validation, alpha, pause), alpha};
}

}  // namespace formwork::train
