// Attention backward, blockwise from the stored lse (Dao et al. 2022), scores computed again:
//   p = exp(z - lse),  dp = dout . v,  dz = p (dp - delta),  delta = dout . out,  ds = dz z'(s),
//   dv = sum_q p dout,  dk = sum_q ds q,  dq = sum_k ds k;
// with a weight, dp = weight dout . v and dv = sum_q p weight dout: delta is dout . out as before.
// Three launches, each with one owner for every sum: delta; a block of keys over all queries; a block of queries over
// all keys (attend_query_gradient.hpp).
#pragma once

#include "attend_forward.hpp"

namespace formwork::gpu {

// Scratch: lse (+infinity where a query sees no key) and -delta, both (B, H, Tq).
template <class Problem> struct attend_statistics {
  using T = typename Problem::T;
  static constexpr std::size_t elements = 2 * static_cast<std::size_t>(Problem::rows);
  FORMWORK_DEVICE static T* lse(void* scratch, int batch, int head) { return static_cast<T*>(scratch) + (static_cast<long>(batch) * Problem::heads + head) * Problem::queries; }
  FORMWORK_DEVICE static T* minus_delta(void* scratch, int batch, int head) { return lse(scratch, batch, head) + Problem::rows; }
};

// Eight lanes take a row.
template <class Problem> struct attend_delta_launch {
  static constexpr const char* name = "attend delta";
  using T = typename Problem::T;
  template <int K> using argument = typename Problem::template argument<K>;
  static constexpr int threads = 128, lanes = 8;
  static constexpr launch_shape shape{.blocks = (Problem::rows * lanes + threads - 1) / threads, .threads = threads};

  template <class Argument> static constexpr int bytes() { return detail::attend_copy_bytes<Argument, Problem::width>(); }
  static constexpr int shorter = bytes<argument<3>>() < bytes<argument<5>>() ? bytes<argument<3>>() : bytes<argument<5>>();
  static constexpr int size = static_cast<int>(sizeof(typename Problem::stored)), vector = shorter > size ? shorter / size : 1;

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    const long n = (lane.block() * threads + lane.thread()) / lanes, row = n < Problem::rows ? n : Problem::rows - 1;
    const int q = static_cast<int>(row % Problem::queries), head = static_cast<int>(row / Problem::queries % Problem::heads);
    const int batch = static_cast<int>(row / (static_cast<long>(Problem::queries) * Problem::heads));
    const auto* out = detail::attend_head<argument<3>>(a.arguments[3], batch, head) + q * argument<3>::row::stride(1);
    const auto* d_out = detail::attend_head<argument<5>>(a.arguments[5], batch, head) + q * argument<5>::row::stride(1);
    T sum = T(0);
    for (int c = lane.thread() % lanes * vector; c < Problem::width; c += lanes * vector) {
      T x[vector], y[vector];
      detail::load_run<vector * size>(x, 0, out + c, vector);
      detail::load_run<vector * size>(y, 0, d_out + c, vector);
      FORMWORK_UNROLL
      for (int v = 0; v < vector; ++v) sum = math::fma(x[v], y[v], sum);
    }
    FORMWORK_UNROLL
    for (int bits = 1; bits < lanes; bits *= 2) sum += lane.shuffle_xor(sum, bits);
    if (n < Problem::rows && lane.thread() % lanes == 0) {
      const T lse = static_cast<T>(static_cast<const element_t<argument<4>::type>*>(a.arguments[4])[row]);
      const bool sees = lse != -std::numeric_limits<T>::infinity();
      attend_statistics<Problem>::lse(a.scratch, batch, head)[q] = sees ? lse : std::numeric_limits<T>::infinity();
      attend_statistics<Problem>::minus_delta(a.scratch, batch, head)[q] = sees ? -sum : T(0);
    }
  }
};

namespace detail {

// What the product dp = dout . v begins with: -delta, unless a weight comes in between.
template <class Tape, class T> FORMWORK_DEVICE T dp_begin(T minus_delta) { return Tape::weighs ? T(0) : minus_delta; }

// Four elements: s, dp -> p (weighed), ds, which is still to be scaled where the tape scales gradients. Slots of the tape stay
// in `here`, for the gradients of tables.
template <int What, bool Masked, class Tape, class T, class Slots, class Position, class Lane>
FORMWORK_DEVICE void attend_adjoint(Lane const& lane, typename Tape::head_slots const& head, Slots& here, T (&s)[4], T (&dp)[4], T const (&scaled_lse)[4], T const (&minus_delta)[4],
                                    bool const (&inside)[4], Position const& at, void* const* arguments) {
  using facts = typename Tape::facts;
  constexpr int before = Tape::for_score + (Masked ? facts::for_mask : 0) + (Tape::weighs ? facts::for_weight : 0);
  const T unused[4] = {T(0), T(0), T(0), T(0)};
  Tape::template run<before, 0>(lane, head, here, s, unused, at, arguments);
  T dz[4], p[4];
  bool shown[4];
  FORMWORK_UNROLL
  for (int w = 0; w < 4; ++w) {
    T z = s[w];
    if constexpr (!Tape::scales_score) z = static_cast<T>(Tape::template value<Tape::score>(head, here, w));
    p[w] = exponential(lane, z, Tape::score_scale, scaled_lse[w]);
    if constexpr (Tape::weighs) dz[w] = p[w] * math::fma(dp[w], static_cast<T>(Tape::template value<facts::weight>(head, here, w)), minus_delta[w]);
    else dz[w] = p[w] * dp[w];
    shown[w] = true;
    if constexpr (Masked) {
      shown[w] = inside[w] && Tape::visible(head, here, w);
      if (!shown[w]) p[w] = dz[w] = T(0);
    }
  }
  Tape::template run<What, before>(lane, head, here, s, dz, at, arguments);
  FORMWORK_UNROLL
  for (int w = 0; w < 4; ++w) {
    s[w] = p[w];
    if constexpr (Tape::weighs) s[w] *= static_cast<T>(Tape::template value<facts::weight>(head, here, w));
    if constexpr (Tape::scales_gradient) dp[w] = dz[w];
    else dp[w] = shown[w] ? static_cast<T>(Tape::template value<Tape::derivative>(head, here, w)) : T(0);
  }
}

}  // namespace detail

// dk and dv: rows are keys, columns queries. Grouped heads: over the queries of every head of the group.
template <class Problem, class Tape> struct attend_key_gradient_launch {
  static constexpr const char* name = "attend key gradient";
  using T = typename Problem::T;
  using operand = typename Problem::operand;
  using shared = typename Problem::shared;
  using facts = typename Tape::facts;
  using saved = attend_statistics<Problem>;
  template <int K> using argument = typename Problem::template argument<K>;
  static constexpr bool pairs = !Problem::exact && Tape::only_scales && gpu_attend_pairs(Problem::part);
  // Random numbers leave registers for half the columns.
  static constexpr gpu_attend_schedule s = Problem::schedule(
      {.row_operands = 2, .column_operands = 4, .column_numbers = 4, .staged = 0},
      {.warps = 4, .tiles = pairs ? 2 : 1, .columns = (pairs || Problem::part > 64 ? 32 : 64) / (facts::draws != 0 ? 2 : 1), .parts = Problem::parts, .shared_bytes = 0}, Problem::keys, Problem::queries);
  static constexpr int rows = s.rows(), columns = s.columns, threads = s.threads(), width = Problem::width, tiles = s.tiles;
  static constexpr long key_blocks = (Problem::keys + rows - 1) / rows;
  static constexpr launch_shape shape{.blocks = key_blocks * s.parts * Problem::groups * Problem::batch, .threads = threads, .shared_bytes = s.shared_bytes};
  using scores = fragment<T, tiles, columns>;
  using result = fragment<T, tiles, Problem::part>;
  static constexpr int column_bytes = 2 * shared::bytes(columns) + 2 * columns * static_cast<int>(sizeof(T));  // one buffer

  // Which queries of which head come next; the head is known beforehand unless a group has several.
  static constexpr bool one_head = Problem::heads_per_group == 1;
  struct place {
    int head, q;
    FORMWORK_DEVICE bool there(int last_head) const { return one_head ? q < Problem::queries : head < last_head; }
  };

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    // The first keys first: with a causal mask most queries see them.
    const int part = static_cast<int>(lane.block() % s.parts), k0 = static_cast<int>(lane.block() / s.parts % key_blocks) * rows;
    const int group = static_cast<int>(lane.block() / (s.parts * key_blocks) % Problem::groups), batch = static_cast<int>(lane.block() / (s.parts * key_blocks * Problem::groups));
    const int k1 = k0 + rows < Problem::keys ? k0 + rows : Problem::keys, last_head = (group + 1) * Problem::heads_per_group;
    std::byte* key_tile = lane.shared();
    std::byte* value_tile = key_tile + shared::bytes(rows);
    std::byte* buffers = value_tile + shared::bytes(rows);
    const int first = lane.thread() / warp * 16 * tiles, l = lane.thread() % warp;

    detail::attend_copy<argument<1>, shared, width, rows, threads, Problem::keys>(lane, key_tile, detail::attend_head<argument<1>>(a.arguments[1], batch, group), k0);
    detail::attend_copy<argument<2>, shared, width, rows, threads, Problem::keys>(lane, value_tile, detail::attend_head<argument<2>>(a.arguments[2], batch, group), k0);
    // Of the numbers this thread copies a query's lse or its -delta.
    const T* mine = saved::lse(a.scratch, batch, 0) + lane.thread() / columns % 2 * Problem::rows + lane.thread() % columns;
    place now{group * Problem::heads_per_group, 0};
    advance(now, a.arguments, batch, last_head, k0, k1);
    if (now.there(last_head)) copy(lane, a, buffers, batch, now, mine);
    lane.copy_commit();
    typename Tape::head_slots of_head;
    Tape::set_head(lane, of_head, a, batch, now.head < last_head ? now.head : last_head - 1);
    result d_key, d_value;
    d_key.clear();
    d_value.clear();
    FORMWORK_KEEP_LOOP
    for (int turn = 0; now.there(last_head); turn ^= 1) {
      place next{now.head, now.q + columns};
      advance(next, a.arguments, batch, last_head, k0, k1);
      lane.template copy_wait<0>();
      lane.sync();  // this buffer is here, and everyone is done with the other
      if (next.there(last_head)) copy(lane, a, buffers + (turn ^ 1) * column_bytes, batch, next, mine);
      lane.copy_commit();
      const std::byte* query_tile = buffers + turn * column_bytes;
      const std::byte* d_out_tile = query_tile + shared::bytes(columns);
      const T* lse = reinterpret_cast<const T*>(d_out_tile + shared::bytes(columns));
      scores z, dp;
      z.clear();
      const T* minus_delta = lse + columns + 2 * (l % 4);
      FORMWORK_UNROLL
      for (int j = 0; j < scores::runs; ++j) {
        FORMWORK_UNROLL
        for (int e = 0; e < 4 * tiles; ++e) dp.x[e / 4][j][e % 4] = detail::dp_begin<Tape>(minus_delta[8 * j + e % 2]);
      }
      score_product<operand, shared>(lane, z, key_tile + first * shared::row_bytes, query_tile);
      score_product<operand, shared>(lane, dp, value_tile + first * shared::row_bytes, d_out_tile);
      const bool whole = now.q + columns <= Problem::queries && detail::visible_state<facts, true, columns>(a.arguments, batch, now.head, k0, k1, now.q, Problem::queries) == 1;
      const tile_position<true> at{k0 + first + l / 4, now.q + 2 * (l % 4)};
      if (whole) adjoints<false>(lane, a.arguments, of_head, z, dp, lse, at);
      else adjoints<true>(lane, a.arguments, of_head, z, dp, lse, at);
      accumulate_product<operand, shared>(lane, d_value, z, d_out_tile, part * Problem::part);
      accumulate_product<operand, shared>(lane, d_key, dp, query_tile, part * Problem::part);
      if (!one_head && next.there(last_head) && next.head != now.head) Tape::set_head(lane, of_head, a, batch, next.head);
      now = next;
    }
    lane.template copy_wait<0>();
    if constexpr (Problem::template exists<7>)
      attend_store<argument<7>, width>(lane, d_key, Tape::gradient_scale, detail::attend_head<argument<7>>(a.arguments[7], batch, group), k0 + first, Problem::keys, part * Problem::part);
    if constexpr (Problem::template exists<8>)
      attend_store<argument<8>, width>(lane, d_value, T(1), detail::attend_head<argument<8>>(a.arguments[8], batch, group), k0 + first, Problem::keys, part * Problem::part);
  }

 private:
  FORMWORK_DEVICE static void advance(place& p, void* const* arguments, int batch, int last_head, int k0, int k1) {
    do {
      p.q = detail::next_visible<facts, true, columns>(arguments, batch, p.head, k0, k1, p.q, Problem::queries);
      if (one_head || p.q < Problem::queries) return;
      ++p.head;
      p.q = 0;
    } while (p.head < last_head);
  }

  // Queries, dout, lse and delta of one block.
  template <class Lane, int Count> FORMWORK_DEVICE static void copy(Lane const& lane, kernel_arguments<Count> const& a, std::byte* to, int batch, place const& p, const T* mine) {
    detail::attend_copy<argument<0>, shared, width, columns, threads, Problem::queries>(lane, to, detail::attend_head<argument<0>>(a.arguments[0], batch, p.head), p.q);
    detail::attend_copy<argument<5>, shared, width, columns, threads, Problem::queries>(lane, to + shared::bytes(columns), detail::attend_head<argument<5>>(a.arguments[5], batch, p.head), p.q);
    T* numbers = reinterpret_cast<T*>(to + 2 * shared::bytes(columns));
    FORMWORK_UNROLL
    for (int begin = 0; begin < 2 * columns; begin += threads) {
      const int i = begin + lane.thread(), q = p.q + i % columns;
      constexpr int size = static_cast<int>(sizeof(T));
      const T* from = mine + (begin / columns * Problem::rows + begin % columns) + (p.head * static_cast<long>(Problem::queries) + p.q);
      if (2 * columns % threads == 0 || i < 2 * columns)
        lane.template copy_async<size>(numbers + i, from, Problem::queries % columns == 0 || q < Problem::queries ? size : 0);
    }
  }

  template <bool Masked, class Lane>
  FORMWORK_DEVICE static void adjoints(Lane const& lane, void* const* arguments, typename Tape::head_slots const& of_head, scores& z, scores& dp, const T* lse, tile_position<true> at) {
    const int mine = 2 * (lane.thread() % 4);
    FORMWORK_UNROLL
    for (int j = 0; j < scores::runs; ++j) {
      const T low = detail::scaled_base(lse[8 * j + mine]), high = detail::scaled_base(lse[8 * j + mine + 1]);
      const T d_low = lse[columns + 8 * j + mine], d_high = lse[columns + 8 * j + mine + 1];
      const T scaled[4] = {low, high, low, high}, minus_delta[4] = {d_low, d_high, d_low, d_high};
      FORMWORK_UNROLL
      for (int m = 0; m < tiles; ++m) {
        const tile_position<true> here{at.row + 16 * m, at.column + 8 * j};
        const bool in_low = here.column < Problem::queries, in_high = here.column + 1 < Problem::queries;
        const bool inside[4] = {in_low, in_high, in_low, in_high};
        typename Tape::template slots<4> slots;
        detail::attend_adjoint<Tape::for_derivative, Masked, Tape>(lane, of_head, slots, z.x[m][j], dp.x[m][j], scaled, minus_delta, inside, here, arguments);
      }
    }
  }
};

}  // namespace formwork::gpu
