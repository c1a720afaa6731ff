// Losses.
#pragma once

#include "../ops/greater.hpp"
#include "../ops/maximum.hpp"
#include "../ops/minimum.hpp"
#include "../trace/generators.hpp"
#include "../trace/loop.hpp"

namespace formwork {

// Mean of -log softmax(logits)[target] in nats: logits (..., C), targets (...) of type i32 in [0, C) ->
// scalar. Over the classes it is one reduction of each row, so neither probabilities nor their gradient are
// stored.
template <typed_value Logits, typed_value Targets>
constexpr auto cross_entropy(Logits const& logits, Targets const& targets) {
  return reshape<>(mean<>(squeeze<-1>(log_sum_exp<-1>(logits)) - pick<call::cross_entropy>(logits, targets)));
}

// The same over the first lengths[b] times of each row: logits (B, T, C), targets (B, T), lengths (B) of type i32. Of
// the other times neither logits nor targets matter. Where no time exists it is 0.
template <typed_value Logits, typed_value Targets, typed_value Lengths>
constexpr auto cross_entropy(Logits const& logits, Targets const& targets, Lengths const& lengths) {
  auto exists = index_along<1>(targets) < unsqueeze<-1>(lengths);
  auto each = squeeze<-1>(log_sum_exp<-1>(logits)) - pick<call::cross_entropy>(logits, targets);
  auto all = sum<>(select(exists, each, 0));
  auto times = sum<>(cast<dtype::f32>(max(min(lengths, Targets::shape[1]), 0)));
  return reshape<>(reshape<>(all) / max(reshape<>(times), 1));
}

namespace detail {

// The fewest equal parts of n of at most `most` each.
constexpr long parts_of(long n, long most) {
  long count = most > 0 && most < n ? (n + most - 1) / most : 1;
  while (n % count != 0) ++count;
  return count;
}

template <typed_value X> constexpr auto flat_rows(X const& x) {
  constexpr long width = X::shape[-1];
  return reshape<X::shape.elements() / width, width>(x);
}

}  // namespace detail

// The cross-entropy of the logits that `head` makes of h, without a tensor of all of them: h (..., D) and targets (...),
// `head` from (n, D) to (n, C). It is a loop over parts of at most AtOnce of the h: logits, loss, and in training the
// gradients of h and of what the head reads, part after part. One [AtOnce, C] is in memory, and nothing is computed
// twice. AtOnce = 0: all at once.
template <long AtOnce, typed_value H, class Head, typed_value Targets>
constexpr auto linear_cross_entropy(H const& h, Head const& head, Targets const& targets) {
  constexpr long n = Targets::shape.elements(), parts = detail::parts_of(n, AtOnce);
  if constexpr (parts == 1) {
    return cross_entropy(head(h), targets);
  } else {
    auto loss = [&](auto const& x, auto const& at) {
      auto logits = head(x);
      return reshape<>(sum<>(squeeze<-1>(log_sum_exp<-1>(logits)) - pick<call::cross_entropy>(logits, at)));
    };
    return sum_over_parts<parts>(loss, detail::flat_rows(h), reshape<n>(targets)) * (1. / static_cast<double>(n));
  }
}

// The same over the first lengths[b] times of each row: h (B, T, D), targets (B, T), lengths (B) of type i32. Of the
// other times neither h nor targets matter. Where no time exists it is 0.
template <long AtOnce, typed_value H, class Head, typed_value Targets, typed_value Lengths>
constexpr auto linear_cross_entropy(H const& h, Head const& head, Targets const& targets, Lengths const& lengths) {
  constexpr long n = Targets::shape.elements(), parts = detail::parts_of(n, AtOnce);
  if constexpr (parts == 1) {
    return cross_entropy(head(h), targets, lengths);
  } else {
    auto loss = [&](auto const& x, auto const& at, auto const& counts) {
      auto logits = head(x);
      auto each = squeeze<-1>(log_sum_exp<-1>(logits)) - pick<call::cross_entropy>(logits, at);
      return reshape<>(sum<>(select(counts > 0, each, 0)));
    };
    auto exists = cast<dtype::i32>(index_along<1>(targets) < unsqueeze<-1>(lengths));
    auto times = sum<>(cast<dtype::f32>(max(min(lengths, Targets::shape[1]), 0)));
    return sum_over_parts<parts>(loss, detail::flat_rows(h), reshape<n>(targets), reshape<n>(exists)) / max(reshape<>(times), 1);
  }
}

}  // namespace formwork
