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

// The loss, and a multiple of it that is differentiated in its place: gradients that f16 can hold.
template <long Batch, long Time> struct scaled_language_model_inputs {
  static constexpr long batch = Batch, time = Time;
  using numbers = input<dtype::i32, shape<Batch, Time>>;
  using number = input<dtype::f32, shape<>>;
  BOOST_HANA_DEFINE_STRUCT(scaled_language_model_inputs, (numbers, tokens), (numbers, targets), (number, loss_scale));
};
struct scaled_loss_of {
  template <class Loss, class Scaled> struct losses { BOOST_HANA_DEFINE_STRUCT(losses, (Loss, loss), (Scaled, scaled)); };
  constexpr auto operator()(auto const& model, auto const& in) const {
    const auto loss = loss_of{}(model, in);
    const auto scaled = loss * in.loss_scale;
    return losses<std::remove_const_t<decltype(loss)>, std::remove_const_t<decltype(scaled)>>{loss, scaled};
  }
};

// The same without dropout.
struct evaluation_loss_of {
  constexpr auto operator()(auto const& model, auto const& in) const {
    return model.loss(in.tokens, in.targets, mode::evaluation{});
  }
};

// Token numbers of sequences up to Time long, the number that follows each, and how many of each row there are. What
// stands beyond a length is any number of the vocabulary.
template <long Batch, long Time> struct ragged_language_model_inputs {
  static constexpr long batch = Batch, time = Time;
  using numbers = input<dtype::i32, shape<Batch, Time>>;
  using counts = input<dtype::i32, shape<Batch>>;
  BOOST_HANA_DEFINE_STRUCT(ragged_language_model_inputs, (numbers, tokens), (numbers, targets), (counts, lengths));
};

// For trace<ragged_loss_of, Model, ragged_language_model_inputs<B, T>>(): the mean over the tokens that there are.
struct ragged_loss_of {
  constexpr auto operator()(auto const& model, auto const& in) const {
    return model.ragged_loss(in.tokens, in.targets, in.lengths, mode::training{});
  }
};

// For trace<logits_of, Model, language_model_prompt<B, T>>(): (B, T, vocabulary).
struct logits_of {
  constexpr auto operator()(auto const& model, auto const& in) const { return model(in.tokens); }
};

// Some tokens of each row, one after the other, and the place of the first in the sequence.
template <long Batch, long Time = 1> struct language_model_step {
  using numbers = input<dtype::i32, shape<Batch, Time>>;
  using place = input<dtype::i32, shape<>>;
  BOOST_HANA_DEFINE_STRUCT(language_model_step, (numbers, tokens), (place, position));
};

// For trace<decoded_logits_of, Model, language_model_step<B, T>>(): (B, T, vocabulary), after the states that the layers
// keep.
struct decoded_logits_of {
  constexpr auto operator()(auto const& model, auto const& in) const { return model.decode(in.tokens, in.position); }
};

// For trace<read_by, Model, language_model_step<B, T>>(): the states alone, of a prompt that is read. Times beyond its
// end may be any tokens: what they leave is not seen before it is written anew.
struct read_by {
  struct nothing {
    BOOST_HANA_DEFINE_STRUCT(nothing);
  };
  constexpr nothing operator()(auto const& model, auto const& in) const {
    model.decode(in.tokens, in.position);
    return {};
  }
};

}  // namespace formwork
