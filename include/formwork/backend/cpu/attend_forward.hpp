// Attention forward, blockwise with a running softmax (Milakov and Gimelshein 2018; Dao et al. 2022):
//   z = score(q . k),  p = exp(z - m) / l,  out = sum_k p v,  lse = m + log l.
// Scores are held transposed, S[key][query]: every query is a lane, so the maximum and the sum need no
// horizontal step and keys and values are read where they lie.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include "attend_block.hpp"
#include "attend_problem.hpp"
#include "attend_score.hpp"
#include "simd.hpp"
#include "simd_math.hpp"
#include "threads.hpp"

namespace formwork::cpu {
namespace attention {

// Room of one block of queries; lanes are queries.
template <class T, int Width> struct forward_room {
  static constexpr int queries = schedule<T>.queries, keys = schedule<T>.keys;
  alignas(64) T query[Width * queries];       // [width][query]
  alignas(64) T score[keys * queries];        // [key][query]: s, then z, then exp(z - m)
  alignas(64) T value[keys * Width];          // [key][width]
  alignas(64) T out[Width * queries];         // [width][query], to be divided by `sum`
  alignas(64) T highest[queries];             // m
  alignas(64) T sum[queries];                 // l
};
struct forward_tag {};

// S -> exp(z - m) in place, and the running m and l; returns whether earlier sums were rescaled, by `factor`.
template <class T, class Score>
[[gnu::noinline]] FORMWORK_HIDDEN void softmax_block(Score const& score, attend_at_queries at, int queries, int keys,
                                                     bool masked, int stride, T* s, T* highest, T* sum, T* out,
                                                     int width) {
  constexpr int W = native_width<T>;
  using vector = pack<T, W>;
  const vector none(-std::numeric_limits<T>::infinity());
  for (int first = 0; first < queries; first += W) {
    const int count = std::min(W, queries - first);
    attend_at_queries here = at;
    here.query += first;
    const vector before = vector::load(highest + first);
    vector most = before;
    for (int k = 0; k < keys; ++k, ++here.key) {
      T* p = s + k * stride + first;
      vector z = score.value(vector::load(p), here, count);
      if (masked) z = select(score.template visible<W>(here, count), z, none);
      z.store(p);
      most = select(z > most, z, most);
    }
    // A row that has seen nothing yet keeps m = -infinity; exp(-infinity - 0) = 0 then.
    const vector base = select(most == none, vector(T(0)), most);
    vector total(T(0));
    for (int k = 0; k < keys; ++k) {
      T* p = s + k * stride + first;
      const vector e = exp(vector::load(p) - base);
      e.store(p);
      total += e;
    }
    const vector factor = exp(before - base);
    (vector::load(sum + first) * factor + total).store(sum + first);
    most.store(highest + first);
    for (int d = 0; d < width; ++d) {
      T* p = out + d * stride + first;
      (vector::load(p) * factor).store(p);
    }
  }
}

// out / l and lse; a row that saw no key gives 0 and -infinity.
template <class T>
[[gnu::noinline]] FORMWORK_HIDDEN void finish_rows(int queries, int width, int stride, const T* highest, const T* sum,
                                                   T* out, T* lse) {
  constexpr int W = native_width<T>;
  using vector = pack<T, W>;
  for (int first = 0; first < queries; first += W) {
    const int count = std::min(W, queries - first);
    const vector l = vector::load(sum + first);
    const auto empty = l == vector(T(0));
    const vector inverse = select(empty, vector(T(0)), vector(T(1)) / l);
    const vector z = vector::load(highest + first) + log(select(empty, vector(T(1)), l));
    if (lse) z.store(lse + first, count);
    for (int d = 0; d < width; ++d) {
      T* p = out + d * stride + first;
      (vector::load(p) * inverse).store(p);
    }
  }
}

template <class T, class Shape, class Score>
void forward_block(attend_inputs<T> const& in, attend_rows<T> out, T* lse, Score const& score, index b, index h,
                   index q0) {
  using room_t = forward_room<T, Shape::width>;
  constexpr int Q = room_t::queries, K = room_t::keys, D = Shape::width, W = native_width<T>;
  const index last = std::min<index>(q0 + Q, Shape::queries);
  const index q1 = std::min<index>(last, in.lengths.template queries<Shape>(b));
  T* statistic = lse ? lse + (b * Shape::heads + h) * Shape::queries : nullptr;
  if (const index from = std::max(q0, q1); from < last) {
    zero_rows(out, b, h, from, last, D);
    if (lse) std::fill(statistic + from, statistic + last, -std::numeric_limits<T>::infinity());
  }
  if (q1 <= q0) return;
  auto& room = *static_cast<room_t*>(thread_scratch<forward_tag, sizeof(room_t)>());
  const int queries = static_cast<int>(q1 - q0), lanes = (queries + W - 1) / W * W;
  const index g = h / Shape::heads_per_group, keys = in.lengths.template keys<Shape>(b);
  transpose_in(in.query.row(b, h, q0), in.query.token, queries, D, room.query, Q);
  std::fill_n(room.highest, Q, -std::numeric_limits<T>::infinity());
  std::fill_n(room.sum, Q, T(0));
  std::fill_n(room.out, D * Q, T(0));
  for (index k0 = 0; k0 < keys; k0 += K) {
    const key_range range = visible_keys(score, b, h, q0, q1, k0, std::min(k0 + K, keys), schedule<T>.strip);
    if (range.begin >= range.end) continue;
    const int n = static_cast<int>(range.end - range.begin);
    product<T>({.a = in.key.row(b, g, range.begin), .a_row = in.key.token, .a_depth = 1,
                .b = room.query, .b_depth = Q, .c = room.score, .c_row = Q, .depth = D, .accumulate = false}, n, lanes);
    softmax_block<T>(score, {b, h, q0, range.begin}, queries, n, range.masked, Q, room.score, room.highest, room.sum,
                     room.out, D);
    copy_rows(in.value.row(b, g, range.begin), in.value.token, n, D, room.value);
    product<T>({.a = room.value, .a_row = 1, .a_depth = D, .b = room.score, .b_depth = Q,
                .c = room.out, .c_row = Q, .depth = n, .accumulate = true}, D, lanes);
  }
  finish_rows<T>(queries, D, Q, room.highest, room.sum, room.out, lse ? statistic + q0 : nullptr);
  transpose_out(room.out, Q, queries, D, out.row(b, h, q0), out.token);
}

}  // namespace attention

// out [B, H, Tq, D]; lse [B, H, Tq] contiguous, may be null when no backward pass follows. `out` overlaps no input.
template <class T, class Shape, class Score>
  requires attend_score<Score, T>
FORMWORK_HIDDEN void attend_forward(attend_inputs<T> const& in, attend_rows<T> out, T* lse, Score const& score) {
  using namespace attention;
  constexpr index Q = schedule<T>.queries, blocks = blocks_of(Shape::queries, Q);
  parallel_for(index(Shape::batch) * Shape::heads * blocks, [&](index task) {
    const index bh = task / blocks;
    forward_block<T, Shape>(in, out, lse, score, bh / Shape::heads, bh % Shape::heads,
                            balanced(task % blocks, blocks) * Q);
  });
}

}  // namespace formwork::cpu
