// Self-attention layers: (B, T, Width) -> (B, T, Width). Further arguments go to attend(): with_score, with_mask,
// with_scale; without a mask, a query sees the keys up to its own.
#pragma once

#include "../trace/attend.hpp"
#include "linear.hpp"

namespace formwork {

namespace detail {
template <class T> inline constexpr bool is_mask_argument = false;
template <class M> inline constexpr bool is_mask_argument<mask_argument<M>> = true;
}  // namespace detail

// Queries (B, T, H, D), keys and values (B, T, G, D) of one layer.
template <class Query, class Key> struct attention_operands {
  Query query;
  Key key, values;
};
template <class Query, class Key> attention_operands(Query, Key, Key) -> attention_operands<Query, Key>;

// attend(), causal unless a mask is given; the heads of the result are joined: (B, T, H D).
template <class Query, class Key, class... Argument>
constexpr auto attend_causally(attention_operands<Query, Key> const& x, Argument const&... argument) {
  auto y = [&] {
    if constexpr ((detail::is_mask_argument<Argument> || ...)) return attend(x.query, x.key, x.values, argument...);
    else return attend(x.query, x.key, x.values, with_mask(causal), argument...);
  }();
  return reshape<Query::shape[0], Query::shape[1], Query::shape[2] * Query::shape[3]>(y);
}

// (..., Heads D) -> (..., Heads, D)
template <long Heads, typed_value X> constexpr auto split_heads(X const& x) {
  return reshape<X::shape[0], X::shape[1], Heads, X::shape[2] / Heads>(x);
}

// Multi-head attention (Vaswani et al. 2017, 3.2.2); one product gives queries, keys and values, as in GPT-2.
template <long Width, long Heads, class Bias = with_bias, class Residual = normal_02> struct multi_head_attention {
  static_assert(Width % Heads == 0, "multi_head_attention: the heads must divide the width; change one of them");
  using qkv_type = linear<Width, 3 * Width, Bias>;
  using projection_type = linear<Width, Width, Bias, Residual>;
  BOOST_HANA_DEFINE_STRUCT(multi_head_attention, (qkv_type, qkv), (projection_type, projection));

  template <typed_value X> constexpr auto operands(X const& x) const {
    auto [q, k, v] = split<-1, 3>(qkv(x));
    return attention_operands{split_heads<Heads>(q), split_heads<Heads>(k), split_heads<Heads>(v)};
  }

  template <typed_value X, class... Argument> constexpr auto operator()(X const& x, Argument const&... argument) const {
    return projection(attend_causally(operands(x), argument...));
  }
};

}  // namespace formwork
