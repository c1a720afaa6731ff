// gpt<Config>: the decoder of GPT-2 (Radford et al. 2019): learned positions, layer norm before each half of
// a block, GELU, a head that shares its weights with the token embedding.
#pragma once

#include "attention.hpp"
#include "block.hpp"
#include "embedding.hpp"
#include "initial.hpp"
#include "logits_and_loss.hpp"
#include "mlp.hpp"
#include "normalization.hpp"

namespace formwork {

// The base of a configuration, which adds vocabulary, context (the longest sequence), layers, heads and
// width:
//   struct tiny : formwork::gpt_config { static constexpr int vocabulary = 256, context = 256, layers = 6,
//   heads = 6, width = 384; };
struct gpt_config {
  static constexpr int hidden_factor = 4;  // hidden size of the MLP in widths
  static constexpr double norm_epsilon = 1e-5;
  static constexpr double dropout = 0;  // of the embedding, of attention's probabilities and of both halves of a block
  static constexpr long logits_at_once = 0;  // tokens whose logits a loss has in memory at a time; 0: all
  using activation = ops::gelu_tanh;
  using bias = with_bias;
};

template <class Config>
concept gpt_configuration = requires {
  Config::vocabulary, Config::context, Config::layers, Config::heads, Config::width;
};

template <gpt_configuration Config> struct gpt : logits_and_loss<gpt<Config>> {
  using config = Config;
  static constexpr long vocabulary = Config::vocabulary, context = Config::context, layers = Config::layers,
                        width = Config::width;

  using residual = residual_normal<layers>;
  using norm_type = layer_norm<width, Config>;
  using attention_type = multi_head_attention<width, Config::heads, typename Config::bias, residual>;
  using mlp_type =
      mlp<width, Config::hidden_factor * width, typename Config::activation, typename Config::bias, residual>;
  using block_type = pre_norm_block<norm_type, attention_type, mlp_type, Config>;
  using tokens_type = embedding<vocabulary, width>;
  using positions_type = embedding<context, width>;
  using blocks_type = repeat<layers, block_type>;
  BOOST_HANA_DEFINE_STRUCT(gpt, (tokens_type, token_embedding), (positions_type, position_embedding),
                           (blocks_type, blocks), (norm_type, norm));

  // Logits of the times of a generation from `position` on (i32, scalar, below context): tokens (B, T) ->
  // (B, T, vocabulary). What the earlier times left is state (see `cached`).
  template <typed_value Tokens, typed_value Position>
  constexpr auto decode(Tokens const& tokens, Position const& position) const {
    auto x = token_embedding(tokens) + position_embedding(iota<Tokens::shape[1]>(tokens) + position);
    return logits_from(norm(blocks(x, mode::evaluation{}, cached_from<context>(tokens, position))));
  }

  // What logits_and_loss is made of.
  template <typed_value X> constexpr auto logits_from(X const& x) const { return token_embedding.unembed(x); }
  template <typed_value Tokens, class Mode, class... Argument> constexpr auto hidden(Tokens const& tokens, Mode m, Argument const&... argument) const {
    auto x = token_embedding(tokens) + position_embedding.template first<Tokens::shape[1]>();
    return norm(blocks(dropout(x, Config::dropout, m), m, argument...));
  }
};

// The smallest GPT-2.
struct gpt2_124m_config : gpt_config {
  static constexpr int vocabulary = 50257, context = 1024, layers = 12, heads = 12, width = 768;
};
using gpt2_124m = gpt<gpt2_124m_config>;

}  // namespace formwork
