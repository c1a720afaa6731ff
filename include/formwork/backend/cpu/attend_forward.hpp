// Attention forward, blockwise with a running softmax (Milakov and Gimelshein 2018; Dao et al. 2022):
//   z = score(q . k),  p = exp(z - m) / l,  out = sum_k p v,  lse = m + log l;  with a weight, out = sum_k p weight v.
// Scores are held transposed, S[key][query]: every query is a lane, so the maximum and the sum need no
// horizontal step and keys and values are read where they lie.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include "attend_block.hpp"
#include "attend_decode.hpp"
#include "attend_problem.hpp"
#include "attend_score.hpp"
#include "simd.hpp"
#include "simd_math.hpp"
#include "threads.hpp"

namespace formwork::cpu {
namespace attention {

// Room of one task; lanes are queries.
template <class T, class Shape> struct forward_room {
  static constexpr int width = Shape::width, queries = attend_queries(schedule<T>, Shape::queries), keys = schedule<T>.keys;
  static constexpr int blocks = attend_query_blocks(schedule<T>, queries, width);
  struct block {
    alignas(64) T query[width * queries];     // [width][query]
    alignas(64) T out[width * queries];       // [width][query], to be divided by `sum`
    alignas(64) T highest[queries];           // m
    alignas(64) T sum[queries];               // l
  };
  block block_of[blocks];
  alignas(64) T score[keys * queries];        // [key][query]: s, then z, then exp(z - m)
  alignas(64) T key[keys * width];            // [key][width]
  alignas(64) T value[keys * width];          // [key][width]
};
struct forward_tag {};

// S -> exp(z - m), weighed, in place; the running m and l; what `out` has summed is rescaled to the new m.
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
    [[maybe_unused]] drawn_by<Score> drawn;
    [[maybe_unused]] attend_at_queries there{at.batch, at.head, at.query + first, at.key};
    for (int k = 0; k < keys; ++k) {
      T* p = s + k * stride + first;
      const vector e = exp_of_negative(vector::load(p) - base);
      e.store(p);
      total += e;
      if constexpr (weighs<Score>()) {
        (e * score.weight(there, count, drawn)).store(p);
        ++there.key;
      }
    }
    const vector factor = exp(before - base);
    (vector::load(sum + first) * factor + total).store(sum + first);
    most.store(highest + first);
    if (all(most == before)) continue;
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

// The queries [q0, q0 + blocks Q) of one head.
template <class T, class Shape, class Score>
void forward_task(attend_inputs<T> const& in, attend_rows<T> out, T* lse, Score const& score, index b, index h,
                  index q0) {
  using room_t = forward_room<T, Shape>;
  constexpr int Q = room_t::queries, K = room_t::keys, D = Shape::width, W = native_width<T>;
  const index last = std::min<index>(q0 + room_t::blocks * Q, Shape::queries);
  const index q1 = std::min<index>(last, in.lengths.template queries<Shape>(b));
  T* statistic = lse ? lse + (b * Shape::heads + h) * Shape::queries : nullptr;
  if (const index from = std::max(q0, q1); from < last) {
    zero_rows(out, b, h, from, last, D);
    if (lse) std::fill(statistic + from, statistic + last, -std::numeric_limits<T>::infinity());
  }
  if (q1 <= q0) return;
  auto& room = *static_cast<room_t*>(thread_scratch<forward_tag, sizeof(room_t)>());
  const index g = h / Shape::heads_per_group, keys = in.lengths.template keys<Shape>(b);
  const int blocks = static_cast<int>(blocks_of(q1 - q0, Q));
  auto queries_of = [&](int i) { return static_cast<int>(std::min<index>(Q, q1 - q0 - i * Q)); };
  for (int i = 0; i < blocks; ++i) {
    auto& block = room.block_of[i];
    transpose_in(in.query.row(b, h, q0 + i * Q), in.query.token, queries_of(i), D, block.query, Q);
    std::fill_n(block.highest, Q, -std::numeric_limits<T>::infinity());
    std::fill_n(block.sum, Q, T(0));
    std::fill_n(block.out, D * Q, T(0));
    prefetch_rows(out.row(b, h, q0 + i * Q), out.token, queries_of(i), D);
  }
  for (index k0 = 0; k0 < keys; k0 += K) {
    const index k1 = std::min(k0 + K, keys);
    const T *key = nullptr, *value = nullptr;
    for (int i = 0; i < blocks; ++i) {
      auto& block = room.block_of[i];
      const int queries = queries_of(i), lanes = (queries + W - 1) / W * W;
      const index q = q0 + i * Q;
      const key_range range = visible_keys(score, b, h, q, q + queries, k0, k1, schedule<T>.strip);
      if (range.begin >= range.end) continue;
      if (!key) {
        key = dense_rows(in.key.row(b, g, k0), in.key.token, static_cast<int>(k1 - k0), D, room.key);
        value = dense_rows(in.value.row(b, g, k0), in.value.token, static_cast<int>(k1 - k0), D, room.value);
      }
      const int n = static_cast<int>(range.end - range.begin);
      product<T>({.a = key + (range.begin - k0) * D, .a_row = D, .a_depth = 1, .b = block.query, .b_depth = Q,
                  .c = room.score, .c_row = Q, .depth = D, .accumulate = false}, n, lanes);
      softmax_block<T>(score, {b, h, q, range.begin}, queries, n, range.masked, Q, room.score, block.highest,
                       block.sum, block.out, D);
      product<T>({.a = value + (range.begin - k0) * D, .a_row = 1, .a_depth = D, .b = room.score, .b_depth = Q,
                  .c = block.out, .c_row = Q, .depth = n, .accumulate = true}, D, lanes);
    }
  }
  for (int i = 0; i < blocks; ++i) {
    auto& block = room.block_of[i];
    finish_rows<T>(queries_of(i), D, Q, block.highest, block.sum, block.out, lse ? statistic + q0 + i * Q : nullptr);
    transpose_out(block.out, Q, queries_of(i), D, out.row(b, h, q0 + i * Q), out.token);
  }
}

}  // namespace attention

// out [B, H, Tq, D]; lse [B, H, Tq] contiguous, may be null when no backward pass follows. `out` overlaps no input.
template <class T, class Shape, class Score>
  requires attend_score<Score, T>
FORMWORK_HIDDEN void attend_forward(attend_inputs<T> const& in, attend_rows<T> out, T* lse, Score const& score) {
  using namespace attention;
  if constexpr (Shape::queries == 1) {
    parallel_for(index(Shape::batch) * Shape::groups, [&](index task) {
      decode_task<T, Shape>(in, out, lse, score, task / Shape::groups, task % Shape::groups);
    });
  } else {
    constexpr index step = forward_room<T, Shape>::blocks * forward_room<T, Shape>::queries;
    constexpr index parts = blocks_of(Shape::queries, step);
    parallel_for(index(Shape::batch) * Shape::heads * parts, [&](index task) {
      const index bh = task / parts;
      forward_task<T, Shape>(in, out, lse, score, bh / Shape::heads, bh % Shape::heads,
                             balanced(task % parts, parts) * step);
    });
  }
}

}  // namespace formwork::cpu
