// Attention forward, blockwise with a running softmax (Milakov and Gimelshein 2018; Dao 2023, arXiv:2307.08691):
//   z = score(q . k),  p = exp(z - m) / l,  out = sum_k p v,  lse = m + log l;  with a weight, out = sum_k p weight v.
// A block of queries stays in shared memory while blocks of keys and values pass; keys are copied while values are
// multiplied, and values while keys are. Blocks of which the mask shows nothing are never read.
#pragma once

#include <limits>

#include "attend_score.hpp"

namespace formwork::gpu {

// What the launches of one attention share.
template <class Query, class Key, dtype Type, class Arguments, class Options> struct attend_problem;
template <long B, long Tq, long H, long D, long B2, long Tk, long G, long D2, dtype Type, class Arguments, class Options>
struct attend_problem<shape<B, Tq, H, D>, shape<B2, Tk, G, D2>, Type, Arguments, Options> {
  static constexpr int batch = B, queries = Tq, keys = Tk, heads = H, groups = G, width = D, heads_per_group = H / G;
  static constexpr int padded = gpu_attend_width(D), parts = gpu_attend_parts(D), part = padded / parts;
  using arguments = Arguments;
  template <int K> using argument = argument_at<Arguments, K>;
  using stored = element_t<argument<0>::type>;
  using T = std::conditional_t<Type == dtype::f64 || argument<0>::type == dtype::f64, double, float>;
  using operand = typename detail::attend_operand<stored, Options::products>::mma;
  using shared = detail::attend_rows<stored, padded>;
  static constexpr bool exact = std::is_void_v<operand>;
  template <int K> static constexpr bool exists = argument<K>::row::rank > 0;
  static constexpr long rows = static_cast<long>(B) * H * Tq;  // of the log-sum-exp, (B, H, Tq)

  static constexpr gpu_attend_schedule schedule(gpu_attend_need need, gpu_attend_schedule most, long rows, long columns) {
    return gpu_attend_schedule_for(need, most, rows, columns, padded, static_cast<int>(sizeof(stored)), static_cast<int>(sizeof(T)));
  }
};

template <class Problem, class Tape> struct attend_forward_launch {
  static constexpr const char* name = "attend";
  using T = typename Problem::T;
  using operand = typename Problem::operand;
  using shared = typename Problem::shared;
  using facts = typename Tape::facts;
  template <int K> using argument = typename Problem::template argument<K>;
  // Two tiles of a warp share each fragment of keys and values that is read; wide heads leave no registers for that, nor do
  // random numbers.
  static constexpr gpu_attend_schedule s =
      Problem::schedule({.row_operands = 1, .column_operands = 2, .column_numbers = 0, .staged = 0},
                        {.warps = 4, .tiles = Problem::exact || Problem::padded > 128 || facts::draws != 0 ? 1 : 2, .columns = Problem::padded > 64 ? 32 : 64, .parts = 1, .shared_bytes = 0}, Problem::queries, Problem::keys);
  static constexpr int rows = s.rows(), columns = s.columns, threads = s.threads(), width = Problem::width, tiles = s.tiles;
  static constexpr long query_blocks = (Problem::queries + rows - 1) / rows;
  static constexpr launch_shape shape{.blocks = query_blocks * Problem::heads * Problem::batch, .threads = threads, .shared_bytes = s.shared_bytes};
  using scores = fragment<T, tiles, columns>;
  using result = fragment<T, tiles, Problem::padded>;

  struct statistics { T highest[tiles][2], sum[tiles][2]; };  // m (before it is scaled), and this lane's part of l

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    // The last queries first: with a causal mask they see most.
    const int q0 = static_cast<int>(query_blocks - 1 - lane.block() % query_blocks) * rows;
    const int head = static_cast<int>(lane.block() / query_blocks % Problem::heads), batch = static_cast<int>(lane.block() / (query_blocks * Problem::heads));
    const int group = head / Problem::heads_per_group, q1 = q0 + rows < Problem::queries ? q0 + rows : Problem::queries;
    const auto* query = detail::attend_head<argument<0>>(a.arguments[0], batch, head);
    const auto* key = detail::attend_head<argument<1>>(a.arguments[1], batch, group);
    const auto* value = detail::attend_head<argument<2>>(a.arguments[2], batch, group);
    std::byte* query_tile = lane.shared();
    std::byte* key_tile = query_tile + shared::bytes(rows);
    std::byte* value_tile = key_tile + shared::bytes(columns);
    const int first = lane.thread() / warp * 16 * tiles;  // row of this warp

    int k0 = detail::next_visible<facts, false, columns>(a.arguments, batch, head, q0, q1, 0, Problem::keys);
    detail::attend_copy<argument<0>, shared, width, rows, threads, Problem::queries>(lane, query_tile, query, q0);
    if (k0 < Problem::keys) detail::attend_copy<argument<1>, shared, width, columns, threads, Problem::keys>(lane, key_tile, key, k0);
    lane.copy_commit();
    typename Tape::head_slots of_head;
    Tape::set_head(lane, of_head, a, batch, head);
    result out;
    out.clear();
    statistics m;
    FORMWORK_UNROLL
    for (int i = 0; i < tiles; ++i) {
      FORMWORK_UNROLL
      for (int r = 0; r < 2; ++r) m.highest[i][r] = -std::numeric_limits<T>::infinity(), m.sum[i][r] = T(0);
    }
    FORMWORK_KEEP_LOOP
    while (k0 < Problem::keys) {
      lane.template copy_wait<0>();
      lane.sync();  // the keys are here, and everyone is done with the values before
      detail::attend_copy<argument<2>, shared, width, columns, threads, Problem::keys>(lane, value_tile, value, k0);
      lane.copy_commit();
      scores z;
      z.clear();
      score_product<operand, shared>(lane, z, query_tile + first * shared::row_bytes, key_tile);
      const int next = detail::next_visible<facts, false, columns>(a.arguments, batch, head, q0, q1, k0 + columns, Problem::keys);
      lane.template copy_wait<0>();
      lane.sync();  // the values are here, and everyone is done with the keys
      if (next < Problem::keys) detail::attend_copy<argument<1>, shared, width, columns, threads, Problem::keys>(lane, key_tile, key, next);
      lane.copy_commit();
      const bool whole = k0 + columns <= Problem::keys && detail::visible_state<facts, false, columns>(a.arguments, batch, head, q0, q1, k0, Problem::keys) == 1;
      T base[tiles][2];
      if (whole) rescale<false>(lane, a.arguments, of_head, z, out, m, base, q0 + first, k0);
      else rescale<true>(lane, a.arguments, of_head, z, out, m, base, q0 + first, k0);
      // Tensor cores multiply 16 columns while the exponentials of the next ones are computed.
      FORMWORK_UNROLL
      for (int step = 0; step < columns / 16; ++step) {
        exponentials(lane, a.arguments, of_head, z, m, base, q0 + first, k0, step);
        accumulate_step<operand, shared>(lane, out, z, value_tile, 0, step);
      }
      k0 = next;
    }
    lane.template copy_wait<0>();
    finish(lane, a, out, m, batch, head, q0 + first);
  }

 private:
  // s -> z in place, with the new m and the base of its exponentials; what `out` and `sum` have is rescaled to it.
  template <bool Masked, class Lane>
  FORMWORK_DEVICE static void rescale(Lane const& lane, void* const* arguments, typename Tape::head_slots const& of_head, scores& z, result& out, statistics& m, T (&base)[tiles][2], int row, int column) {
    constexpr int what = Tape::for_score + (Masked ? facts::for_mask : 0);
    constexpr T none = -std::numeric_limits<T>::infinity();
    const int l = lane.thread() % warp;
    FORMWORK_UNROLL
    for (int i = 0; i < tiles; ++i) {
      T most[2] = {m.highest[i][0], m.highest[i][1]};
      FORMWORK_UNROLL
      for (int j = 0; j < scores::runs; ++j) {
        const tile_position<false> at{row + 16 * i + l / 4, column + 8 * j + 2 * (l % 4)};
        const T unused[4] = {T(0), T(0), T(0), T(0)};
        typename Tape::template slots<4> here;
        Tape::template run<what, 0>(lane, of_head, here, z.x[i][j], unused, at, arguments);
        FORMWORK_UNROLL
        for (int w = 0; w < 4; ++w) {
          T x = z.x[i][j][w];
          if constexpr (!Tape::scales_score) x = Tape::template value<Tape::score>(of_head, here, w);
          if constexpr (Masked) x = Tape::visible(of_head, here, w) && at.key(w) < Problem::keys ? x : none;
          z.x[i][j][w] = x;
          most[w / 2] = math::max(most[w / 2], x);
        }
      }
      FORMWORK_UNROLL
      for (int r = 0; r < 2; ++r) {
        most[r] = row_maximum(lane, most[r]);
        // A row that has seen nothing yet keeps m = -infinity; exp(-infinity - 0) = 0 then.
        base[i][r] = detail::scaled_base(most[r] == none ? T(0) : most[r] * Tape::score_scale);
        const T factor = detail::exponential(lane, m.highest[i][r], Tape::score_scale, base[i][r]);
        m.highest[i][r] = most[r];
        m.sum[i][r] *= factor;
        FORMWORK_UNROLL
        for (int j = 0; j < result::runs; ++j) out.x[i][j][2 * r] *= factor, out.x[i][j][2 * r + 1] *= factor;
      }
    }
  }

  // z -> exp(z - m) in place for 16 columns, summed and then weighed.
  template <class Lane>
  FORMWORK_DEVICE static void exponentials(Lane const& lane, void* const* arguments, typename Tape::head_slots const& of_head, scores& z, statistics& m, T const (&base)[tiles][2], [[maybe_unused]] int row,
                                           [[maybe_unused]] int column, int step) {
    FORMWORK_UNROLL
    for (int i = 0; i < tiles; ++i) {
      FORMWORK_UNROLL
      for (int j = 2 * step; j < 2 * step + 2; ++j) {
        FORMWORK_UNROLL
        for (int e = 0; e < 4; ++e) m.sum[i][e / 2] += z.x[i][j][e] = detail::exponential(lane, z.x[i][j][e], Tape::score_scale, base[i][e / 2]);
        if constexpr (Tape::weighs) {
          const int l = lane.thread() % warp;
          const tile_position<false> at{row + 16 * i + l / 4, column + 8 * j + 2 * (l % 4)};
          const T unused[4] = {T(0), T(0), T(0), T(0)};
          typename Tape::template slots<4> here;
          Tape::template run<facts::for_weight, 0>(lane, of_head, here, unused, unused, at, arguments);
          FORMWORK_UNROLL
          for (int w = 0; w < 4; ++w) z.x[i][j][w] *= static_cast<T>(Tape::template value<facts::weight>(of_head, here, w));
        }
      }
    }
  }

  // out / l and lse; a row that saw no key gives 0 and -infinity.
  template <class Lane, int Count>
  FORMWORK_DEVICE static void finish(Lane const& lane, kernel_arguments<Count> const& a, result const& out, statistics const& m, int batch, int head, int row) {
    const int l = lane.thread() % warp;
    T inverse[tiles][2];
    FORMWORK_UNROLL
    for (int i = 0; i < tiles; ++i) {
      FORMWORK_UNROLL
      for (int r = 0; r < 2; ++r) {
        const T sum = row_sum(lane, m.sum[i][r]);
        inverse[i][r] = sum == T(0) ? T(0) : T(1) / sum;
        if constexpr (Problem::template exists<4>) {
          const int q = row + 16 * i + 8 * r + l / 4;
          if (l % 4 == 0 && q < Problem::queries) {
            using number = element_t<argument<4>::type>;
            const T lse = sum == T(0) ? -std::numeric_limits<T>::infinity() : m.highest[i][r] * Tape::score_scale + math::log(sum);
            static_cast<number*>(a.arguments[4])[(static_cast<long>(batch) * Problem::heads + head) * Problem::queries + q] = static_cast<number>(lse);
          }
        }
      }
    }
    attend_store<argument<3>, width>(lane, out, inverse, detail::attend_head<argument<3>>(a.arguments[3], batch, head), row, Problem::queries, 0);
  }
};

}  // namespace formwork::gpu
