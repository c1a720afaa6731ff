// What training, evaluation and sampling trace of a language model: its inputs and its functions.
#pragma once

#include "../trace/trace.hpp"
#include "dropout.hpp"
#include "errors.hpp"

namespace formwork {

// Token numbers and, for each, the one that follows it.
template <long Batch, long Time> struct language_model_inputs {
  static constexpr long batch = Batch, time = Time;
  using numbers = input<dtype::i32, shape<Batch, Time>>;
  BOOST_HANA_DEFINE_STRUCT(language_model_inputs, (numbers, tokens), (numbers, targets));
};

template <long Batch, long Time> struct language_model_prompt {
  static constexpr long batch = Batch, time = Time;
  using numbers = input<dtype::i32, shape<Batch, Time>>;
  BOOST_HANA_DEFINE_STRUCT(language_model_prompt, (numbers, tokens));
};

// For trace<loss_of, Model, language_model_inputs<B, T>>(): the mean loss in nats per token, with dropout.
struct loss_of {
  constexpr auto operator()(auto const& model, auto const& in) const {
    return model.loss(in.tokens, in.targets, mode::training{});
  }
};

// The same without dropout.
struct evaluation_loss_of {
  constexpr auto operator()(auto const& model, auto const& in) const {
    return model.loss(in.tokens, in.targets, mode::evaluation{});
  }
};

// For trace<logits_of, Model, language_model_prompt<B, T>>(): (B, T, vocabulary).
struct logits_of {
  constexpr auto operator()(auto const& model, auto const& in) const { return model(in.tokens); }
};

// One token of each row and its place in the sequence.
template <long Batch> struct language_model_step {
  using numbers = input<dtype::i32, shape<Batch, 1>>;
  using place = input<dtype::i32, shape<>>;
  BOOST_HANA_DEFINE_STRUCT(language_model_step, (numbers, tokens), (place, position));
};

// For trace<decoded_logits_of, Model, language_model_step<B>>(): (B, 1, vocabulary), after the states that the layers
// keep.
struct decoded_logits_of {
  constexpr auto operator()(auto const& model, auto const& in) const { return model.decode(in.tokens, in.position); }
};

}  // namespace formwork
