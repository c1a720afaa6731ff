// Self-attention layers: (B, T, Width) -> (B, T, Width). Further arguments go to attend(): with_score,
// with_mask, with_scale, with_weight, with_dropout; without a mask, a query sees the keys up to its own.
#pragma once

#include "../ops/equal.hpp"
#include "../ops/greater_equal.hpp"
#include "../ops/maximum.hpp"
#include "../ops/minimum.hpp"
#include "../ops/select.hpp"
#include "../trace/attend.hpp"
#include "../trace/generators.hpp"
#include "../trace/state.hpp"
#include "errors.hpp"
#include "linear.hpp"
#include "rotary.hpp"

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
    if constexpr ((detail::is_mask_argument<Argument> || ...))
      return attend(x.query, x.key, x.values, argument...);
    else
      return attend(x.query, x.key, x.values, with_mask(causal), argument...);
  }();
  return reshape<Query::shape[0], Query::shape[1], Query::shape[2] * Query::shape[3]>(y);
}

// A step of a generation: some times from `position` on (i32, scalar). Each attention layer keeps the keys and values of
// the times before them as state, up to Context times. Those kept beyond the last time are nobody's yet.
template <long Context, class Position, class Places> struct cached {
  Position position;
  Places places;  // (B, T), i32: of these times among the (B Context) that are kept; -1 beyond the context
};

// Of tokens (B, T).
template <long Context, typed_value Tokens, typed_value Position> constexpr auto cached_from(Tokens const& tokens, Position const& position) {
  constexpr long rows = Tokens::shape[0], times = Tokens::shape[1];
  if constexpr (rows * times == 1) {
    auto places = reshape<1, 1>(position);
    return cached<Context, Position, decltype(places)>{position, places};
  } else {
    auto time = iota<times>(tokens) + position;
    auto place = unsqueeze<-1>(iota<rows>(tokens)) * static_cast<int>(Context) + time;
    auto places = select(time < static_cast<int>(Context), place, -1);
    return cached<Context, Position, decltype(places)>{position, places};
  }
}

// attend() of T times, (B, T, H, D), to the kept times and each to those up to itself: (B, T, H D).
template <class Query, class Key, long Context, class Position, class Places>
constexpr auto attend_causally(attention_operands<Query, Key> const& x, cached<Context, Position, Places> const& at_step) {
  constexpr long rows = Key::shape[0], times = Key::shape[1], width = Key::shape[2] * Key::shape[3];
  using kept = shape<rows, Context, Key::shape[2], Key::shape[3]>;
  auto extended = [&](Key const& now, std::string_view name) {
    auto before = reshape<rows * Context, width>(state<Key::type, kept>(now, name));
    auto after = reshape<rows, Context, Key::shape[2], Key::shape[3]>(replace_rows(before, at_step.places, reshape<rows, times, width>(now)));
    keep_state(after, name);
    return after;
  };
  auto keys = extended(x.key, "keys"), values = extended(x.values, "values");
  auto position = reshape<1>(at_step.position);  // a lookup of batch rows beyond the first reads the first
  auto y = attend(x.query, keys, values, with_mask(mask_expression{[=](auto const& at) { return at.key <= position(at.batch) + at.query; }}));
  return reshape<Query::shape[0], Query::shape[1], Query::shape[2] * Query::shape[3]>(y);
}

// (..., Heads D) -> (..., Heads, D)
template <long Heads, typed_value X> constexpr auto split_heads(X const& x) {
  return reshape<X::shape[0], X::shape[1], Heads, X::shape[2] / Heads>(x);
}

// Multi-head attention (Vaswani et al. 2017, 3.2.2); one product gives queries, keys and values, as in GPT-2.
template <long Width, long Heads, class Bias = with_bias, class Residual = normal_02>
struct multi_head_attention {
  static_assert(require<Width % Heads == 0,
                        error::heads_do_not_divide_the_width<error::heads<Heads>, error::width<Width>>>);
  using qkv_type = linear<Width, 3 * Width, Bias>;
  using projection_type = linear<Width, Width, Bias, Residual>;
  BOOST_HANA_DEFINE_STRUCT(multi_head_attention, (qkv_type, qkv), (projection_type, projection));

  template <typed_value X> constexpr auto operands(X const& x) const {
    auto [q, k, v] = split<-1, 3>(qkv(x));
    return attention_operands{split_heads<Heads>(q), split_heads<Heads>(k), split_heads<Heads>(v)};
  }

  template <typed_value X, class... Argument>
  constexpr auto operator()(X const& x, Argument const&... argument) const {
    return projection(attend_causally(operands(x), argument...));
  }
};

// What attention with grouped heads has in common: Attention says operands(x, offset), where the first of x's times has
// position `offset`, and has a projection.
template <class Attention, long Width, long Heads, long KeyHeads> struct grouped_heads {
  static_assert(require<Width % Heads == 0,
                        error::heads_do_not_divide_the_width<error::heads<Heads>, error::width<Width>>>);
  static_assert(
      require<Heads % KeyHeads == 0,
              error::key_heads_do_not_divide_the_heads<error::key_heads<KeyHeads>, error::heads<Heads>>>);

  template <typed_value X, class... Argument>
  constexpr auto operator()(X const& x, Argument const&... argument) const {
    return self().projection(attend_causally(self().operands(x), argument...));
  }
  template <typed_value X, long Context, class Position, class Places>
  constexpr auto operator()(X const& x, cached<Context, Position, Places> const& at_step) const {
    return self().projection(attend_causally(self().operands(x, at_step.position), at_step));
  }

 private:
  constexpr Attention const& self() const { return static_cast<Attention const&>(*this); }
};

// Grouped-query attention (Ainslie et al. 2023) with rotary positions, as in Llama: each of the KeyHeads keys
// and values serves Heads / KeyHeads queries. Policy::rope_base is the base of the rotary frequencies.
template <long Width, long Heads, long KeyHeads, class Policy, class Bias = without_bias,
          class Residual = normal_02>
struct grouped_query_attention
    : grouped_heads<grouped_query_attention<Width, Heads, KeyHeads, Policy, Bias, Residual>, Width, Heads, KeyHeads> {
  static constexpr long key_width = Width / Heads * KeyHeads;
  using query_type = linear<Width, Width, Bias>;
  using key_type = linear<Width, key_width, Bias>;
  using projection_type = linear<Width, Width, Bias, Residual>;
  BOOST_HANA_DEFINE_STRUCT(grouped_query_attention, (query_type, query), (key_type, key), (key_type, value),
                           (projection_type, projection));

  // The first of x's times has position `offset`.
  template <typed_value X, class Offset = int>
  constexpr auto operands(X const& x, Offset const& offset = 0) const {
    return attention_operands{rotary(split_heads<Heads>(query(x)), offset, Policy::rope_base),
                              rotary(split_heads<KeyHeads>(key(x)), offset, Policy::rope_base),
                              split_heads<KeyHeads>(value(x))};
  }
};

// The same with one product for queries, keys and values: qkv is (Width, (Heads + 2 KeyHeads) D).
template <long Width, long Heads, long KeyHeads, class Policy, class Bias = without_bias,
          class Residual = normal_02>
struct fused_grouped_query_attention
    : grouped_heads<fused_grouped_query_attention<Width, Heads, KeyHeads, Policy, Bias, Residual>, Width, Heads, KeyHeads> {
  static constexpr long key_width = Width / Heads * KeyHeads;
  using qkv_type = linear<Width, Width + 2 * key_width, Bias>;
  using projection_type = linear<Width, Width, Bias, Residual>;
  BOOST_HANA_DEFINE_STRUCT(fused_grouped_query_attention, (qkv_type, qkv), (projection_type, projection));

  template <typed_value X, class Offset = int>
  constexpr auto operands(X const& x, Offset const& offset = 0) const {
    auto all = qkv(x);
    return attention_operands{
        rotary(split_heads<Heads>(slice<-1, 0, Width>(all)), offset, Policy::rope_base),
        rotary(split_heads<KeyHeads>(slice<-1, Width, key_width>(all)), offset, Policy::rope_base),
        split_heads<KeyHeads>(slice<-1, Width + key_width, key_width>(all))};
  }
};

}  // namespace formwork
