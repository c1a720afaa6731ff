// Losses.
#pragma once

#include "../ops/maximum.hpp"
#include "../ops/minimum.hpp"
#include "../trace/generators.hpp"

namespace formwork {

// Mean of -log softmax(logits)[target] in nats: logits (..., C), targets (...) of type i32 in [0, C) ->
// scalar. Over the classes it is one reduction of each row, so neither probabilities nor their gradient are
// stored.
template <typed_value Logits, typed_value Targets>
constexpr auto cross_entropy(Logits const& logits, Targets const& targets) {
  return reshape<>(mean<>(squeeze<-1>(log_sum_exp<-1>(logits)) - pick(logits, targets)));
}

// The same over the first lengths[b] times of each row: logits (B, T, C), targets (B, T), lengths (B) of type i32. Of
// the other times neither logits nor targets matter. Where no time exists it is 0.
template <typed_value Logits, typed_value Targets, typed_value Lengths>
constexpr auto cross_entropy(Logits const& logits, Targets const& targets, Lengths const& lengths) {
  auto exists = index_along<1>(targets) < unsqueeze<-1>(lengths);
  auto all = sum<>(select(exists, squeeze<-1>(log_sum_exp<-1>(logits)) - pick(logits, targets), 0));
  auto times = sum<>(cast<dtype::f32>(max(min(lengths, Targets::shape[1]), 0)));
  return reshape<>(reshape<>(all) / max(reshape<>(times), 1));
}

}  // namespace formwork
