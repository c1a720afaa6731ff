// Losses.
#pragma once

#include "../trace/generators.hpp"

namespace formwork {

// Mean of -log softmax(logits)[target] in nats: logits (..., C), targets (...) of type i32 in [0, C) ->
// scalar. Over the classes it is one reduction of each row, so neither probabilities nor their gradient are
// stored.
template <typed_value Logits, typed_value Targets>
constexpr auto cross_entropy(Logits const& logits, Targets const& targets) {
  return reshape<>(mean<>(squeeze<-1>(log_sum_exp<-1>(logits)) - pick(logits, targets)));
}

}  // namespace formwork
