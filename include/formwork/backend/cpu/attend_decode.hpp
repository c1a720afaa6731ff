// Attention of a single query per head over a key-value cache: lanes run along the width in the products and along
// the keys in the score, and every key and value is read once for all heads of its group.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include "attend_block.hpp"
#include "attend_problem.hpp"
#include "attend_score.hpp"
#include "simd.hpp"
#include "simd_math.hpp"

namespace formwork::cpu::attention {

// The running state of one query's softmax: out sum, lane sums l, and the maximum m.
template <class T, int Width> struct decode_state {
  static constexpr int W = native_width<T>, vectors = (Width + W - 1) / W;
  using vector = pack<T, W>;
  vector out[vectors], sum;
  T highest;
};

template <class T, int Width> FORMWORK_INLINE pack<T, native_width<T>> width_vector(const T* row, int v) {
  constexpr int W = native_width<T>;
  return (v + 1) * W <= Width ? pack<T, W>::load(row + v * W) : pack<T, W>::load(row + v * W, Width - v * W);
}

// dots[i] = query . key row i for the first `count` of W rows; the others are 0.
template <class T, int Width>
[[gnu::noinline]] FORMWORK_HIDDEN void decode_dots(const T* query, const T* keys, index stride, int count, T* dots) {
  constexpr int W = native_width<T>, vectors = decode_state<T, Width>::vectors;
  using vector = pack<T, W>;
  vector x[W];
  for (int i = 0; i < W; ++i) {
    x[i] = vector(T(0));
    if (i >= count) continue;
    FORMWORK_UNROLL_HOST
    for (int v = 0; v < vectors; ++v)
      x[i] = fma(width_vector<T, Width>(query, v), width_vector<T, Width>(keys + i * stride, v), x[i]);
  }
  transpose(x);
  for (int half = W / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) x[i] += x[i + half];
  x[0].store(dots);
}

// out = factor out + sum_i p[i] value row i
template <class T, int Width>
[[gnu::noinline]] FORMWORK_HIDDEN void decode_values(const T* p, const T* values, index stride, int count, T factor,
                                                     decode_state<T, Width>& state) {
  constexpr int vectors = decode_state<T, Width>::vectors;
  using vector = pack<T, native_width<T>>;
  vector out[vectors];
  FORMWORK_UNROLL_HOST
  for (int v = 0; v < vectors; ++v) out[v] = state.out[v] * vector(factor);
  for (int i = 0; i < count; ++i) {
    const vector weight(p[i] - typename vector::vector{});
    FORMWORK_UNROLL_HOST
    for (int v = 0; v < vectors; ++v) out[v] = fma(weight, width_vector<T, Width>(values + i * stride, v), out[v]);
  }
  FORMWORK_UNROLL_HOST
  for (int v = 0; v < vectors; ++v) state.out[v] = out[v];
}

// The keys [k0, k0 + n) for one head.
template <class T, class Shape, class Score>
FORMWORK_HIDDEN void decode_block(Score const& score, attend_at_keys at, bool masked, const T* query, const T* keys,
                                  index key_stride, const T* values, index value_stride, int n,
                                  decode_state<T, Shape::width>& state) {
  constexpr int W = native_width<T>;
  using vector = pack<T, W>;
  const vector none(-std::numeric_limits<T>::infinity());
  T z[(schedule<T>.keys + W - 1) / W * W];
  vector most = none;
  for (int k = 0; k < n; k += W) {
    const int count = std::min(W, n - k);
    const attend_at_keys here{at.batch, at.head, at.query, at.key + k};
    decode_dots<T, Shape::width>(query, keys + k * key_stride, key_stride, count, z + k);
    auto holds = vector::iota(T(0)) < vector(static_cast<T>(count));
    if (masked) holds = holds & score.template visible<W>(here, count);
    const vector x = select(holds, vector(score.value(vector::load(z + k), here, count)), none);
    x.store(z + k);
    most = select(x > most, x, most);
  }
  const T before = state.highest, highest = std::max(before, reduce_max(most));
  const vector base(highest == none[0] ? T(0) : highest);
  const vector factor = exp(vector(before) - base);
  vector sum = state.sum * factor;
  [[maybe_unused]] drawn_by<Score> drawn;
  for (int k = 0; k < n; k += W) {
    const vector p = exp(vector::load(z + k) - base);
    p.store(z + k);
    sum += p;
    if constexpr (weighs<Score>())
      (p * score.weight(attend_at_keys{at.batch, at.head, at.query, at.key + k}, std::min(W, n - k), drawn)).store(z + k);
  }
  state.sum = sum;
  state.highest = highest;
  decode_values<T, Shape::width>(z, values, value_stride, n, factor[0], state);
}

// All heads of one group, for a shape of one query.
template <class T, class Shape, class Score>
void decode_task(attend_inputs<T> const& in, attend_rows<T> out, T* lse, Score const& score, index b, index g) {
  static_assert(Shape::queries == 1);
  constexpr int W = native_width<T>, D = Shape::width, K = schedule<T>.keys, heads = Shape::heads_per_group;
  using state_t = decode_state<T, D>;
  using vector = pack<T, W>;
  const index first = g * heads, keys = in.lengths.template keys<Shape>(b);
  state_t states[heads];
  for (state_t& state : states) {
    std::fill_n(state.out, state_t::vectors, vector(T(0)));
    state.sum = vector(T(0));
    state.highest = -std::numeric_limits<T>::infinity();
  }
  if (in.lengths.template queries<Shape>(b) == 1)
    for (index k0 = 0; k0 < keys; k0 += K)
      for (int i = 0; i < heads; ++i) {
        const index h = first + i;
        const key_range range = visible_keys(score, b, h, 0, 1, k0, std::min<index>(k0 + K, keys), schedule<T>.strip);
        if (range.begin >= range.end) continue;
        decode_block<T, Shape>(score, {b, h, 0, range.begin}, range.masked, in.query.row(b, h, 0),
                               in.key.row(b, g, range.begin), in.key.token, in.value.row(b, g, range.begin),
                               in.value.token, static_cast<int>(range.end - range.begin), states[i]);
      }
  for (int i = 0; i < heads; ++i) {
    const T l = reduce_add(states[i].sum);
    const bool empty = l == T(0);
    if (lse) lse[b * Shape::heads + first + i] = states[i].highest + log(vector(empty ? T(1) : l))[0];
    const vector inverse(empty ? T(0) : T(1) / l);
    T* row = out.row(b, first + i, 0);
    for (int v = 0; v < state_t::vectors; ++v) (states[i].out[v] * inverse).store(row + v * W, std::min(W, D - v * W));
  }
}

}  // namespace formwork::cpu::attention
