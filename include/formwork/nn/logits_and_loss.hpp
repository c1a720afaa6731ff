// What language models have in common: logits and losses, made of what each of them calls its hidden values and its head.
#pragma once

#include "attention.hpp"
#include "dropout.hpp"
#include "errors.hpp"
#include "loss.hpp"

namespace formwork {

// The base of Model, which says
//   hidden(tokens, mode, argument...)   (B, T) -> (B, T, width); the arguments go to the attention
//   logits_from(h)                      (..., width) -> (..., vocabulary)
//   context, config::logits_at_once
template <class Model> struct logits_and_loss {
  // Logits: tokens (B, T) with T <= context -> (B, T, vocabulary). Further arguments go to the attention.
  template <typed_value Tokens, class Mode = mode::evaluation, class... Argument>
  constexpr auto operator()(Tokens const& tokens, Mode m = {}, Argument const&... argument) const {
    if constexpr (fits_context<Tokens, Model::context>) return model().logits_from(model().hidden(tokens, m, argument...));
  }

  // Mean cross-entropy of the targets in nats, a scalar.
  template <typed_value Tokens, typed_value Targets, class Mode = mode::evaluation>
  constexpr auto loss(Tokens const& tokens, Targets const& targets, Mode m = {}) const {
    if constexpr (fits_context<Tokens, Model::context>) return loss_of_hidden(model().hidden(tokens, m), targets);
  }
  // The same over sequences of which row b has its first lengths[b] times: lengths (B) of type i32.
  template <typed_value Tokens, typed_value Targets, typed_value Lengths, class Mode = mode::evaluation>
  constexpr auto ragged_loss(Tokens const& tokens, Targets const& targets, Lengths const& lengths, Mode m = {}) const {
    if constexpr (fits_context<Tokens, Model::context>)
      return loss_of_hidden(model().hidden(tokens, m, with_mask(causal && within(lengths))), targets, lengths);
  }

 private:
  constexpr Model const& model() const { return static_cast<Model const&>(*this); }
  template <typed_value H, typed_value... Rest> constexpr auto loss_of_hidden(H const& h, Rest const&... rest) const {
    return linear_cross_entropy<Model::config::logits_at_once>(h, [&](auto const& x) { return model().logits_from(x); }, rest...);
  }
};

}  // namespace formwork
