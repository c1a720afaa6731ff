// Dropout (Srivastava et al. 2014), inverted: what stays is divided by the probability of staying.
#pragma once

#include <stdexcept>

#include "../ops/greater_equal.hpp"
#include "../ops/multiply.hpp"
#include "../ops/select.hpp"
#include "../trace/generators.hpp"

namespace formwork {

// What a forward pass is for: dropout acts in training only.
namespace mode {
struct training {
  static constexpr bool drops = true;
};
struct evaluation {
  static constexpr bool drops = false;
};
}  // namespace mode

// Each element becomes 0 with probability `rate` (in [0, 1)), from its own counter-based stream. Rate 0 adds
// nothing to the program.
template <typed_value X> constexpr value_of<X> dropout(X const& x, double rate) {
  if (!(rate >= 0 && rate < 1)) throw std::invalid_argument("dropout: the rate is a probability in [0, 1).");
  if (rate == 0) return x;
  return select(random_like(x) >= rate, x * (1 / (1 - rate)), 0);
}

// The same in training; x itself in evaluation.
template <class Mode, typed_value X> constexpr value_of<X> dropout(X const& x, double rate, Mode) {
  if constexpr (Mode::drops)
    return dropout(x, rate);
  else
    return x;
}

}  // namespace formwork
