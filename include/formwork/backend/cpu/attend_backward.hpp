// Attention backward, blockwise from the stored lse (Dao et al. 2022), scores transposed as in the forward pass:
//   p = exp(z - lse),  dp = dout . v,  dz = p (dp - delta),  delta = dout . out,  ds = dz z'(s),
//   dv = sum_q p dout,  dk = sum_q ds q,  dq = sum_k ds k;
// with a weight, dp = weight dout . v and dv = sum_q p weight dout: delta is dout . out as before.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <new>
#include <type_traits>

#include "attend_block.hpp"
#include "attend_problem.hpp"
#include "attend_score.hpp"
#include "simd.hpp"
#include "simd_math.hpp"
#include "threads.hpp"

namespace formwork::cpu {

template <class T> struct attend_gradients {
  attend_rows<T> query, key, value;
};

namespace attention {

// Room of one task; lanes are queries.
template <class T, class Shape> struct backward_room {
  static constexpr int width = Shape::width, queries = attend_queries(schedule<T>, Shape::queries), keys = schedule<T>.keys;
  static constexpr int blocks = attend_query_blocks(schedule<T>, queries, width);
  struct block {
    alignas(64) T query_rows[queries * width];  // [query][width]
    alignas(64) T d_out_rows[queries * width];  // [query][width]
    alignas(64) T query[width * queries];       // [width][query]
    alignas(64) T d_out[width * queries];       // [width][query]
    alignas(64) T d_query[width * queries];     // [width][query]
    alignas(64) T lse[queries];                 // +infinity where the query sees no key or does not exist
    alignas(64) T delta[queries];
  };
  block block_of[blocks];
  alignas(64) T score[keys * queries];          // [key][query]: s, then p
  alignas(64) T d_score[keys * queries];        // [key][query]: dp, then ds
  alignas(64) T key[keys * width];              // [key][width]
  alignas(64) T value[keys * width];            // [key][width]
  alignas(64) T d_key[keys * width];            // [key][width], of this task's queries
  alignas(64) T d_value[keys * width];          // [key][width]
};
struct backward_tag {};

template <class T>
[[gnu::noinline]] FORMWORK_HIDDEN void row_statistics(const T* out, index out_stride, const T* d_out, index d_stride,
                                                      const T* stored, int queries, int lanes, int width, T* lse,
                                                      T* delta) {
  constexpr int W = native_width<T>;
  using vector = pack<T, W>;
  const T infinity = std::numeric_limits<T>::infinity();
  for (int q = 0; q < lanes; ++q) {
    vector sum(T(0));
    const bool exists = q < queries && stored[q] != -infinity;
    if (exists) {
      int d = 0;
      for (; d + W <= width; d += W)
        sum = fma(vector::load(out + q * out_stride + d), vector::load(d_out + q * d_stride + d), sum);
      if (d < width)
        sum = fma(vector::load(out + q * out_stride + d, width - d),
                  vector::load(d_out + q * d_stride + d, width - d), sum);
    }
    lse[q] = exists ? stored[q] : infinity;
    delta[q] = reduce_add(sum);
  }
}

// s, dp -> p (weighed), ds in place.
template <class T, class Score>
[[gnu::noinline]] FORMWORK_HIDDEN void score_block(Score const& score, attend_at_queries at, int queries, int keys,
                                                   bool masked, int stride, T* s, T* dp, const T* lse, const T* delta,
                                                   typename Score::accumulators& accumulators) {
  constexpr int W = native_width<T>;
  using vector = pack<T, W>;
  const vector zero(T(0));
  for (int first = 0; first < queries; first += W) {
    const int count = std::min(W, queries - first);
    attend_at_queries here = at;
    here.query += first;
    const vector statistic = vector::load(lse + first), mean = vector::load(delta + first);
    [[maybe_unused]] drawn_by<Score> drawn;
    for (int k = 0; k < keys; ++k, ++here.key) {
      T *sp = s + k * stride + first, *dpp = dp + k * stride + first;
      const vector dot = vector::load(sp), z = score.value(dot, here, count);
      [[maybe_unused]] vector factor;
      if constexpr (weighs<Score>()) factor = score.weight(here, count, drawn);
      auto weighed = [&](vector x) FORMWORK_INLINE_LAMBDA {
        if constexpr (weighs<Score>()) return x * factor;
        else return x;
      };
      vector p = exp(z - statistic);
      if (!masked) {
        weighed(p).store(sp);
        score.derivative(dot, z, p * (weighed(vector::load(dpp)) - mean), here, count, accumulators).store(dpp);
      } else {
        const auto visible = score.template visible<W>(here, count);
        p = select(visible, p, zero);
        weighed(p).store(sp);
        const vector dz = select(visible, p * (weighed(vector::load(dpp)) - mean), zero);
        select(visible, score.derivative(dot, z, dz, here, count, accumulators), zero).store(dpp);
      }
    }
  }
}

// The pairs of the queries [q0, q0 + blocks Q) of head h and the keys [begin, end) of its group: adds to dk and dv
// if KeyGradients, writes dq if QueryGradient.
template <class T, class Shape, bool QueryGradient, bool KeyGradients, class Score>
void backward_task(attend_inputs<T> const& in, attend_rows<const T> out, const T* lse, attend_rows<const T> d_out,
                   attend_gradients<T> const& gradients, Score const& score, index b, index h, index q0, index begin,
                   index end, typename Score::accumulators& accumulators) {
  using room_t = backward_room<T, Shape>;
  constexpr int Q = room_t::queries, K = room_t::keys, D = Shape::width, W = native_width<T>;
  constexpr bool tail = D % W != 0;
  const index last = std::min<index>(q0 + room_t::blocks * Q, Shape::queries);
  const index q1 = std::min<index>(last, in.lengths.template queries<Shape>(b));
  if constexpr (QueryGradient) zero_rows(gradients.query, b, h, std::max(q0, q1), last, D);
  if (q1 <= q0) return;
  auto& room = *static_cast<room_t*>(thread_scratch<backward_tag, sizeof(room_t)>());
  const index g = h / Shape::heads_per_group;
  const int blocks = static_cast<int>(blocks_of(q1 - q0, Q));
  auto queries_of = [&](int i) { return static_cast<int>(std::min<index>(Q, q1 - q0 - i * Q)); };
  const T *query_rows[room_t::blocks], *d_out_rows[room_t::blocks];
  for (int i = 0; i < blocks; ++i) {
    auto& block = room.block_of[i];
    const index q = q0 + i * Q;
    const int queries = queries_of(i), lanes = (queries + W - 1) / W * W;
    query_rows[i] = dense_rows(in.query.row(b, h, q), in.query.token, queries, D, block.query_rows);
    d_out_rows[i] = dense_rows(d_out.row(b, h, q), d_out.token, queries, D, block.d_out_rows);
    transpose_in(query_rows[i], D, queries, D, block.query, Q);
    transpose_in(d_out_rows[i], D, queries, D, block.d_out, Q);
    row_statistics(out.row(b, h, q), out.token, d_out_rows[i], D,
                   lse + (b * Shape::heads + h) * Shape::queries + q, queries, lanes, D, block.lse, block.delta);
    if constexpr (QueryGradient) {
      std::fill_n(block.d_query, D * Q, T(0));
      prefetch_rows(gradients.query.row(b, h, q), gradients.query.token, queries, D);
    }
  }
  for (index k0 = begin; k0 < end; k0 += K) {
    const index k1 = std::min(k0 + K, end);
    const int n_all = static_cast<int>(k1 - k0);
    const T *key = nullptr, *value = nullptr;
    for (int i = 0; i < blocks; ++i) {
      auto& block = room.block_of[i];
      const int queries = queries_of(i), lanes = (queries + W - 1) / W * W;
      const index q = q0 + i * Q;
      const key_range range = visible_keys(score, b, h, q, q + queries, k0, k1, schedule<T>.strip);
      if (range.begin >= range.end) continue;
      if (!key) {
        key = dense_rows(in.key.row(b, g, k0), in.key.token, n_all, D, room.key);
        value = dense_rows(in.value.row(b, g, k0), in.value.token, n_all, D, room.value);
        if constexpr (KeyGradients) {
          std::fill_n(room.d_key, n_all * D, T(0));
          std::fill_n(room.d_value, n_all * D, T(0));
        }
      }
      const int n = static_cast<int>(range.end - range.begin);
      const index at = (range.begin - k0) * D;
      product<T>({.a = key + at, .a_row = D, .a_depth = 1, .b = block.query, .b_depth = Q,
                  .c = room.score, .c_row = Q, .depth = D, .accumulate = false}, n, lanes);
      product<T>({.a = value + at, .a_row = D, .a_depth = 1, .b = block.d_out, .b_depth = Q,
                  .c = room.d_score, .c_row = Q, .depth = D, .accumulate = false}, n, lanes);
      score_block<T>(score, {b, h, q, range.begin}, queries, n, range.masked, Q, room.score, room.d_score, block.lse,
                     block.delta, accumulators);
      if constexpr (KeyGradients) {
        product<T, tail>({.a = room.score, .a_row = Q, .a_depth = 1, .b = d_out_rows[i], .b_depth = D,
                          .c = room.d_value + at, .c_row = D, .depth = queries, .accumulate = true}, n, D);
        product<T, tail>({.a = room.d_score, .a_row = Q, .a_depth = 1, .b = query_rows[i], .b_depth = D,
                          .c = room.d_key + at, .c_row = D, .depth = queries, .accumulate = true}, n, D);
      }
      if constexpr (QueryGradient)
        product<T>({.a = key + at, .a_row = 1, .a_depth = D, .b = room.d_score, .b_depth = Q,
                    .c = block.d_query, .c_row = Q, .depth = n, .accumulate = true}, D, lanes);
    }
    if constexpr (KeyGradients)
      if (key) {
        add_rows(room.d_key, n_all, D, gradients.key.row(b, g, k0), gradients.key.token);
        add_rows(room.d_value, n_all, D, gradients.value.row(b, g, k0), gradients.value.token);
      }
  }
  if constexpr (QueryGradient)
    for (int i = 0; i < blocks; ++i)
      transpose_out(room.block_of[i].d_query, Q, queries_of(i), D, gradients.query.row(b, h, q0 + i * Q),
                    gradients.query.token);
}

// Fixed units of work of the undivided backward pass, each with its own accumulators.
template <class T, class Shape, class Score> constexpr index backward_units() {
  const index pairs = index(Shape::batch) * Shape::groups;
  return std::is_empty_v<typename Score::accumulators> ? pairs : std::min<index>(pairs, schedule<T>.accumulators);
}

}  // namespace attention

// Bytes of scratch of attend_backward, 64-byte aligned: the instances of the score's gradient accumulators.
template <class T, class Shape, class Score>
inline constexpr std::size_t attend_backward_scratch_bytes =
    std::is_empty_v<typename Score::accumulators>
        ? 0
        : attention::backward_units<T, Shape, Score>() * sizeof(typename Score::accumulators);

// Writes the gradients of query, key and value (same shapes, any strides; they overlap nothing else) from `out` and
// `lse` of attend_forward and from d_out, and gives the score's own gradients to score.finish.
template <class T, class Shape, class Score>
  requires attend_score<Score, T>
FORMWORK_HIDDEN void attend_backward(attend_inputs<T> const& in, attend_rows<const T> out, const T* lse,
                                     attend_rows<const T> d_out, attend_gradients<T> const& gradients,
                                     Score const& score, void* scratch = nullptr) {
  using namespace attention;
  using accumulators_t = typename Score::accumulators;
  constexpr bool plain = std::is_empty_v<accumulators_t>;
  constexpr index step = backward_room<T, Shape>::blocks * backward_room<T, Shape>::queries;
  constexpr index parts = blocks_of(Shape::queries, step);
  constexpr index pairs = index(Shape::batch) * Shape::groups, segment = schedule<T>.backward_segment;
  constexpr index segments = blocks_of(Shape::keys, segment);

  if constexpr (plain && pairs < schedule<T>.backward_tasks && segments > 1) {
    // Few pairs: dk and dv by segments of keys, then dq by blocks of queries; scores are computed in both.
    parallel_for(pairs * segments, [&](index task) {
      const index b = task / segments / Shape::groups, g = task / segments % Shape::groups;
      const index begin = balanced(task % segments, segments) * segment;
      const index last = std::min<index>(begin + segment, Shape::keys);
      const index end = std::min<index>(last, in.lengths.template keys<Shape>(b));
      zero_rows(gradients.key, b, g, begin, last, Shape::width);
      zero_rows(gradients.value, b, g, begin, last, Shape::width);
      accumulators_t none;
      if (begin < end)
        for (index h = g * Shape::heads_per_group; h < (g + 1) * Shape::heads_per_group; ++h)
          for (index q = 0; q < parts; ++q)
            backward_task<T, Shape, false, true>(in, out, lse, d_out, gradients, score, b, h, q * step, begin, end, none);
    });
    parallel_for(index(Shape::batch) * Shape::heads * parts, [&](index task) {
      const index b = task / parts / Shape::heads, h = task / parts % Shape::heads;
      accumulators_t none;
      backward_task<T, Shape, true, false>(in, out, lse, d_out, gradients, score, b, h,
                                            balanced(task % parts, parts) * step, 0,
                                            in.lengths.template keys<Shape>(b), none);
    });
  } else {
    constexpr index units = backward_units<T, Shape, Score>();
    accumulators_t* instances = static_cast<accumulators_t*>(scratch);
    parallel_for(units, [&](index unit) {
      std::conditional_t<plain, accumulators_t, std::byte> nothing;
      accumulators_t& mine = [&]() -> accumulators_t& {
        if constexpr (plain) return nothing;
        else return *new (instances + unit) accumulators_t{};
      }();
      for (index pair = unit * pairs / units; pair < (unit + 1) * pairs / units; ++pair) {
        const index b = pair / Shape::groups, g = pair % Shape::groups;
        zero_rows(gradients.key, b, g, 0, Shape::keys, Shape::width);
        zero_rows(gradients.value, b, g, 0, Shape::keys, Shape::width);
        for (index h = g * Shape::heads_per_group; h < (g + 1) * Shape::heads_per_group; ++h)
          for (index q = 0; q < parts; ++q)
            backward_task<T, Shape, true, true>(in, out, lse, d_out, gradients, score, b, h, q * step, 0,
                                                 in.lengths.template keys<Shape>(b), mine);
      }
    });
    if constexpr (!plain) score.finish(instances, static_cast<int>(units));
  }
}

}  // namespace formwork::cpu
