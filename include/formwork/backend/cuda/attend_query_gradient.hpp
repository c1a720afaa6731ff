// dq of attention: a block of queries over all keys; and with it the gradients of the score's tables.
#pragma once

#include "attend_backward.hpp"
#include "attend_tables.hpp"

namespace formwork::gpu {

template <class Problem, class Tape> struct attend_query_gradient_launch {
  static constexpr const char* name = "attend query gradient";
  using T = typename Problem::T;
  using operand = typename Problem::operand;
  using shared = typename Problem::shared;
  using facts = typename Tape::facts;
  using saved = attend_statistics<Problem>;
  template <int K> using argument = typename Problem::template argument<K>;
  static constexpr bool has_tables = facts::gradients > 0;
  static constexpr bool pairs = !Problem::exact && Tape::only_scales && gpu_attend_pairs(Problem::padded);
  // Random numbers leave registers for half the columns, and so do the widest heads.
  static constexpr gpu_attend_schedule s = Problem::schedule(
      {.row_operands = 2, .column_operands = 4, .column_numbers = 0, .staged = facts::gradients},
      {.warps = 4, .tiles = pairs ? 2 : 1, .columns = (pairs || Problem::padded > 64 ? 32 : 64) / (facts::draws != 0 || Problem::padded > 128 ? 2 : 1), .parts = 1, .shared_bytes = 0}, Problem::queries, Problem::keys);
  static constexpr int rows = s.rows(), columns = s.columns, threads = s.threads(), width = Problem::width, tiles = s.tiles;
  static constexpr long query_blocks = (Problem::queries + rows - 1) / rows, items = query_blocks * Problem::heads * Problem::batch;
  static constexpr long units = has_tables ? gpu_attend_units(items, facts::gradient_elements * sizeof(T)) : items;
  static constexpr launch_shape shape{.blocks = units, .threads = threads, .shared_bytes = s.shared_bytes};
  using scores = fragment<T, tiles, columns>;
  using result = fragment<T, tiles, Problem::padded>;
  using tables = attend_tables<Tape, T, rows, columns, threads>;
  static constexpr int column_bytes = 2 * shared::bytes(columns);  // one buffer
  // Scratch behind the statistics: each unit's tables.
  static constexpr std::size_t scratch_elements = attend_statistics<Problem>::elements + static_cast<std::size_t>(has_tables ? units : 0) * facts::gradient_elements;

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    T* sums = static_cast<T*>(a.scratch) + saved::elements + lane.block() * static_cast<long>(facts::gradient_elements);
    if constexpr (has_tables) {
      for (long e = lane.thread(); e < static_cast<long>(facts::gradient_elements); e += threads) sums[e] = T(0);
      for (long item = lane.block(); item < items; item += units) {
        lane.sync();  // the item before is done with the shared memory; the sums are zeros
        one(lane, a, item, sums);
      }
    } else {
      one(lane, a, lane.block(), sums);
    }
  }

 private:
  template <class Lane, int Count> FORMWORK_DEVICE static void one(Lane const& lane, kernel_arguments<Count> const& a, long item, T* sums) {
    // The last queries first: with a causal mask they see most.
    const int q0 = static_cast<int>(query_blocks - 1 - item % query_blocks) * rows;
    const int head = static_cast<int>(item / query_blocks % Problem::heads), batch = static_cast<int>(item / (query_blocks * Problem::heads));
    const int group = head / Problem::heads_per_group, q1 = q0 + rows < Problem::queries ? q0 + rows : Problem::queries;
    const auto* key = detail::attend_head<argument<1>>(a.arguments[1], batch, group);
    const auto* value = detail::attend_head<argument<2>>(a.arguments[2], batch, group);
    std::byte* query_tile = lane.shared();
    std::byte* d_out_tile = query_tile + shared::bytes(rows);
    std::byte* buffers = d_out_tile + shared::bytes(rows);
    T* staged = reinterpret_cast<T*>(buffers + 2 * column_bytes);
    const int first = lane.thread() / warp * 16 * tiles, l = lane.thread() % warp;

    int k0 = detail::next_visible<facts, false, columns>(a.arguments, batch, head, q0, q1, 0, Problem::keys);
    detail::attend_copy<argument<0>, shared, width, rows, threads, Problem::queries>(lane, query_tile, detail::attend_head<argument<0>>(a.arguments[0], batch, head), q0);
    detail::attend_copy<argument<5>, shared, width, rows, threads, Problem::queries>(lane, d_out_tile, detail::attend_head<argument<5>>(a.arguments[5], batch, head), q0);
    if (k0 < Problem::keys) copy(lane, buffers, key, value, k0);
    lane.copy_commit();
    typename Tape::head_slots of_head;
    Tape::set_head(lane, of_head, a, batch, head);
    T lse[2 * tiles], minus_delta[2 * tiles];  // of rows l / 4 + 8 r
    FORMWORK_UNROLL
    for (int r = 0; r < 2 * tiles; ++r) {
      const int q = q0 + first + 8 * r + l / 4;
      const bool there = q < Problem::queries;
      lse[r] = there ? detail::scaled_base(saved::lse(a.scratch, batch, head)[q]) : std::numeric_limits<T>::infinity();
      minus_delta[r] = there ? saved::minus_delta(a.scratch, batch, head)[q] : T(0);
    }
    result d_query;
    d_query.clear();
    FORMWORK_KEEP_LOOP
    for (int turn = 0; k0 < Problem::keys; turn ^= 1) {
      const int next = detail::next_visible<facts, false, columns>(a.arguments, batch, head, q0, q1, k0 + columns, Problem::keys);
      lane.template copy_wait<0>();
      lane.sync();  // this buffer is here, and everyone is done with the other
      if (next < Problem::keys) copy(lane, buffers + (turn ^ 1) * column_bytes, key, value, next);
      lane.copy_commit();
      const std::byte* key_tile = buffers + turn * column_bytes;
      const std::byte* value_tile = key_tile + shared::bytes(columns);
      scores z, dp;
      z.clear();
      FORMWORK_UNROLL
      for (int j = 0; j < scores::runs; ++j) {
        FORMWORK_UNROLL
        for (int e = 0; e < 4 * tiles; ++e) dp.x[e / 4][j][e % 4] = detail::dp_begin<Tape>(minus_delta[e / 2]);
      }
      score_product<operand, shared>(lane, z, query_tile + first * shared::row_bytes, key_tile);
      score_product<operand, shared>(lane, dp, d_out_tile + first * shared::row_bytes, value_tile);
      const bool whole = k0 + columns <= Problem::keys && detail::visible_state<facts, false, columns>(a.arguments, batch, head, q0, q1, k0, Problem::keys) == 1;
      const tile_position<false> at{q0 + first + l / 4, k0 + 2 * (l % 4)};
      if (whole) adjoints<false>(lane, a.arguments, of_head, z, dp, lse, minus_delta, at, staged);
      else adjoints<true>(lane, a.arguments, of_head, z, dp, lse, minus_delta, at, staged);
      accumulate_product<operand, shared>(lane, d_query, dp, key_tile, 0);
      if constexpr (has_tables) tables::add(lane, of_head, a.arguments, staged, sums, q0, k0);
      k0 = next;
    }
    lane.template copy_wait<0>();
    if constexpr (Problem::template exists<6>)
      attend_store<argument<6>, width>(lane, d_query, Tape::gradient_scale, detail::attend_head<argument<6>>(a.arguments[6], batch, head), q0 + first, Problem::queries, 0);
  }

  template <class Lane, class Stored> FORMWORK_DEVICE static void copy(Lane const& lane, std::byte* to, const Stored* key, const Stored* value, int k0) {
    detail::attend_copy<argument<1>, shared, width, columns, threads, Problem::keys>(lane, to, key, k0);
    detail::attend_copy<argument<2>, shared, width, columns, threads, Problem::keys>(lane, to + shared::bytes(columns), value, k0);
  }

  template <bool Masked, class Lane>
  FORMWORK_DEVICE static void adjoints(Lane const& lane, void* const* arguments, typename Tape::head_slots const& of_head, scores& z, scores& dp, T const (&lse)[2 * tiles],
                                       T const (&minus_delta)[2 * tiles], tile_position<false> at, T* staged) {
    const int row = lane.thread() / warp * 16 * tiles + lane.thread() % warp / 4;
    FORMWORK_UNROLL
    for (int j = 0; j < scores::runs; ++j) {
      FORMWORK_UNROLL
      for (int m = 0; m < tiles; ++m) {
        const tile_position<false> here{at.row + 16 * m, at.column + 8 * j};
        const bool in_low = here.column < Problem::keys, in_high = here.column + 1 < Problem::keys;
        const bool inside[4] = {in_low, in_high, in_low, in_high};
        const T lses[4] = {lse[2 * m], lse[2 * m], lse[2 * m + 1], lse[2 * m + 1]};
        const T minus_deltas[4] = {minus_delta[2 * m], minus_delta[2 * m], minus_delta[2 * m + 1], minus_delta[2 * m + 1]};
        typename Tape::template slots<4> slots;
        detail::attend_adjoint<Tape::for_derivative + facts::for_tables, Masked, Tape>(lane, of_head, slots, z.x[m][j], dp.x[m][j], lses, minus_deltas, inside, here, arguments);
        if constexpr (has_tables)
          tables::stage(of_head, slots, staged, row + 16 * m, 8 * j + 2 * (lane.thread() % 4), here.query(0) < Problem::queries, here.query(2) < Problem::queries, in_low, in_high);
      }
    }
  }
};

}  // namespace formwork::gpu
