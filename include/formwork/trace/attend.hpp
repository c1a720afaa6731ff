// attend: scaled dot-product attention (Vaswani et al. 2017, eq. 1) with any score and mask written as expressions.
//
//   auto y = attend(q, k, v,
//                   with_score([&](auto s, auto at) { return 30.f * tanh(s / 30.f) + bias(at.head, at.query - at.key); }),
//                   with_mask(causal && window<256>));
//
// q: (B, T, H, D), k and v: (B, S, G, D) with H a multiple of G (grouped queries) -> (B, T, H, D).
// s is the scaled product q k / sqrt(D). It runs blockwise, in O(T) memory, and so does its derived backward. with_weight
// and with_dropout multiply the probabilities, after the softmax, by an expression of the position.
#pragma once

#include <stdexcept>

#include "../ops/greater_equal.hpp"
#include "../ops/less.hpp"
#include "../ops/less_equal.hpp"
#include "../ops/logical_and.hpp"
#include "../ops/logical_or.hpp"
#include "../ops/multiply.hpp"
#include "../ops/select.hpp"
#include "../ops/subtract.hpp"
#include "generators.hpp"

namespace formwork {

// Where a score stands: i32 values of rank 0.
struct attention_position {
  using coordinate = value<dtype::i32, shape<>>;
  coordinate batch, head, query, key;
};

// A mask is a function of the position that says which keys a query sees. Masks combine with && and ||.
template <class Visible> struct mask_expression {
  Visible visible;
  constexpr auto operator()(auto const& at) const { return visible(at); }
};
template <class Visible> mask_expression(Visible) -> mask_expression<Visible>;

template <class A, class B> constexpr auto operator&&(mask_expression<A> a, mask_expression<B> b) {
  return mask_expression{[a, b](auto const& at) { return a(at) && b(at); }};
}
template <class A, class B> constexpr auto operator||(mask_expression<A> a, mask_expression<B> b) {
  return mask_expression{[a, b](auto const& at) { return a(at) || b(at); }};
}

// Keys up to the query itself.
inline constexpr mask_expression causal{[](auto const& at) { return at.key <= at.query; }};
// The last Size keys up to the query.
template <int Size> inline constexpr mask_expression window{[](auto const& at) { return at.query - at.key < Size; }};
// The first Size keys, for every query.
template <int Size> inline constexpr mask_expression prefix{[](auto const& at) { return at.key < Size; }};
// Keys of the query's own document; ids: (B, T) of type i32.
template <typed_value Ids> constexpr auto same_document(Ids const& ids) {
  return mask_expression{[ids](auto const& at) { return ids(at.batch, at.query) == ids(at.batch, at.key); }};
}

// Queries and keys of sequences that are shorter than their compile-time maximum: the first lengths[b] times of row b,
// lengths: (B) of type i32. A query beyond sees nothing: its result is 0, and so are its gradients. Blocks beyond a
// length are not read.
template <typed_value Lengths> constexpr auto within(Lengths const& lengths) {
  return mask_expression{[lengths](auto const& at) {
    auto length = lengths(at.batch);
    return at.query < length && at.key < length;
  }};
}

template <class Score> struct score_argument { Score score; };
template <class Score> constexpr auto with_score(Score s) { return score_argument<Score>{s}; }
template <class Visible> struct mask_argument { mask_expression<Visible> mask; };
template <class Visible> constexpr auto with_mask(mask_expression<Visible> m) { return mask_argument<Visible>{m}; }
// weight(at): a scalar in the accumulation's type (f32, f64 where the operands are), a constant to the differentiation.
// random_like(at.query) in it is one number for every (batch, head, query, key). Several weights multiply each other.
template <class Weight> struct weight_argument { Weight weight; };
template <class Weight> constexpr auto with_weight(Weight w) { return weight_argument<Weight>{w}; }
struct dropout_argument { double rate; };
// Each probability becomes 0 with probability `rate` (in [0, 1)), else it is divided by 1 - rate. Rate 0 adds nothing to
// the program.
constexpr auto with_dropout(double rate) {
  if (!(rate >= 0 && rate < 1)) throw std::invalid_argument("with_dropout: the rate is a probability in [0, 1).");
  return dropout_argument{rate};
}
struct scale_argument { double scale; };
// In place of 1 / sqrt(D).
constexpr auto with_scale(double s) { return scale_argument{s}; }

namespace detail {

// Newton's iteration, since std::sqrt is not constexpr.
constexpr double square_root(double x) {
  double y = x > 1 ? x : 1;
  for (int i = 0; i < 60; ++i) y = 0.5 * (y + x / y);
  return y;
}

template <class M> constexpr int mask_of(mask_argument<M> const& a, auto at) { return a.mask(at).id; }
constexpr int mask_of(auto const&, auto) { return -1; }
template <dtype Type, class W> constexpr int weight_of(weight_argument<W> const& a, auto at) {
  using given = decltype(a.weight(at));
  using wanted = value<Type, shape<>>;
  if constexpr (require<std::is_same_v<given, wanted>, error::weight_of_a_probability_is_another_value<call::attend, given, wanted>>)
    return a.weight(at).id;
}
template <dtype Type> constexpr int weight_of(dropout_argument a, auto at) {
  if (a.rate == 0) return -1;
  return select(random_like(at.query) >= a.rate, constant<Type>(at.query, 1 / (1 - a.rate)), 0).id;
}
template <dtype> constexpr int weight_of(auto const&, auto) { return -1; }
constexpr double scale_of(scale_argument a, double) { return a.scale; }
constexpr double scale_of(auto const&, double x) { return x; }

template <class T> inline constexpr bool is_score = false;
template <class S> inline constexpr bool is_score<score_argument<S>> = true;

template <class S, class P> constexpr auto traced_score(S s, P) { return s; }
template <class S, class P, class First, class... Rest>
constexpr auto traced_score(S s, P at, First const& first, Rest const&... rest) {
  if constexpr (is_score<First>) return first.score(s, at);
  else return traced_score(s, at, rest...);
}

template <class Q, class K, class V> struct attention_shapes {
  static constexpr bool fits() {
    if constexpr (Q::rank == 4 && K::rank == 4 && V::rank == 4)
      return Q::value[0] == K::value[0] && Q::value[3] == K::value[3] && K::value == V::value;
    else return false;
  }
  static constexpr bool groups() { return !fits() || Q::value[2] % K::value[2] == 0; }
};

}  // namespace detail

template <typed_value Q, typed_value K, typed_value V, class... Argument>
constexpr auto attend(Q const& query, K const& key, V const& values, Argument const&... argument) {
  using q = typename value_of<Q>::shape_type;
  using k = typename value_of<K>::shape_type;
  using v = typename value_of<V>::shape_type;
  using shapes = detail::attention_shapes<q, k, v>;
  if constexpr (require<shapes::fits(), error::shapes_do_not_match<call::attend, q, k, v>> &&
                require<shapes::groups(), error::key_heads_do_not_divide_the_query_heads<call::attend, q, k>> &&
                require<Q::type == K::type && Q::type == V::type,
                                error::element_types_do_not_match<call::attend, value_of<Q>, value_of<K>, value_of<V>>>) {
    graph& g = *query.g;
    int scope = g.begin_score();
    auto coordinate = [&](int axis) { return attention_position::coordinate{&g, build::score_index(g, axis, scope)}; };
    attention_position at{coordinate(0), coordinate(1), coordinate(2), coordinate(3)};
    node raw{.what = kind::score, .type = Q::type};
    value<Q::type, shape<>> s{&g, g.push_here(raw)};
    double scale = 1 / detail::square_root(static_cast<double>(q::value[3]));
    ((scale = detail::scale_of(argument, scale)), ...);
    auto z = detail::traced_score(s * scale, at, argument...);
    int mask = -1;
    auto take_mask = [&](auto const& a) {
      int m = detail::mask_of(a, at);
      if (m >= 0) mask = m;
    };
    (take_mask(argument), ...);
    int factor = -1;
    auto take_weight = [&](int w) {
      if (w >= 0) factor = factor < 0 ? w : build::map<ops::multiply>(g, factor, w);
    };
    (take_weight(detail::weight_of<accumulation_of(Q::type)>(argument, at)), ...);
    const int score = factor < 0 ? z.id : build::weigh(g, z.id, factor);
    g.end_scope();
    node n{.what = kind::attend, .type = Q::type, .inputs = 5, .shape = q::value};
    n.in[0] = query.id;
    n.in[1] = key.id;
    n.in[2] = values.id;
    n.in[3] = score;
    n.in[4] = mask;
    n.attribute[0] = scope;
    int out = g.push_here(n);
    build::result(g, out, 1, dims{q::value[0], q::value[2], q::value[1]}, accumulation_of(Q::type));
    return value<Q::type, q>{&g, out};
  }
}

}  // namespace formwork
