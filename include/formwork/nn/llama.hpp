// llama<Config>: the decoder of Llama (Touvron et al. 2023): rotary positions, RMS norm before each half of a
// block, grouped-query attention, SwiGLU, no biases.
#pragma once

#include "attention.hpp"
#include "block.hpp"
#include "embedding.hpp"
#include "initial.hpp"
#include "logits_and_loss.hpp"
#include "mlp.hpp"
#include "normalization.hpp"

namespace formwork {

// The base of a configuration, which adds vocabulary, context (the longest sequence), layers, heads,
// kv_heads, width and hidden (the MLP's inner size).
struct llama_config {
  static constexpr bool tied = false;  // the head shares the token embedding's weights
  static constexpr double rope_base = 10000;
  static constexpr double norm_epsilon = 1e-5;
  static constexpr double dropout = 0;  // of the embedding, of attention's probabilities and of both halves of a block
  static constexpr long logits_at_once = 0;  // tokens whose logits a loss has in memory at a time; 0: all
  using activation = ops::silu;
  using bias = without_bias;
};

template <class Config>
concept llama_configuration = requires {
  Config::vocabulary, Config::context, Config::layers, Config::heads, Config::kv_heads, Config::width,
      Config::hidden;
};

// Stands in a model with tied weights where the head would be.
struct no_head {};

template <llama_configuration Config> struct llama : logits_and_loss<llama<Config>> {
  using config = Config;
  static constexpr long vocabulary = Config::vocabulary, context = Config::context, layers = Config::layers,
                        width = Config::width;

  using residual = residual_normal<layers>;
  using norm_type = rms_norm<width, Config>;
  using attention_type = grouped_query_attention<width, Config::heads, Config::kv_heads, Config,
                                                 typename Config::bias, residual>;
  using mlp_type =
      gated_mlp<width, Config::hidden, typename Config::activation, typename Config::bias, residual>;
  using block_type = pre_norm_block<norm_type, attention_type, mlp_type, Config>;
  using tokens_type = embedding<vocabulary, width>;
  using blocks_type = repeat<layers, block_type>;
  using head_type = std::conditional_t<Config::tied, no_head, linear<width, vocabulary, without_bias>>;
  BOOST_HANA_DEFINE_STRUCT(llama, (tokens_type, token_embedding), (blocks_type, blocks), (norm_type, norm),
                           (head_type, head));

  // Logits of the times of a generation from `position` on (i32, scalar, below context): tokens (B, T) ->
  // (B, T, vocabulary). What the earlier times left is state (see `cached`).
  template <typed_value Tokens, typed_value Position>
  constexpr auto decode(Tokens const& tokens, Position const& position) const {
    return logits_from(norm(blocks(token_embedding(tokens), mode::evaluation{}, cached_from<context>(tokens, position))));
  }

  // What logits_and_loss is made of.
  template <typed_value Tokens, class Mode, class... Argument> constexpr auto hidden(Tokens const& tokens, Mode m, Argument const&... argument) const {
    return norm(blocks(dropout(token_embedding(tokens), Config::dropout, m), m, argument...));
  }
  template <typed_value X> constexpr auto logits_from(X const& x) const {
    if constexpr (Config::tied)
      return token_embedding.unembed(x);
    else
      return head(x);
  }
};

// The shape of Llama 3.2 1B (Meta 2024); its longer contexts scale the rotary frequencies, which this does
// not.
struct llama_1b_config : llama_config {
  static constexpr int vocabulary = 128256, context = 8192, layers = 16, heads = 32, kv_heads = 8,
                       width = 2048, hidden = 8192;
  static constexpr bool tied = true;
  static constexpr double rope_base = 500000;
};
using llama_1b = llama<llama_1b_config>;

}  // namespace formwork
