// Sums along the rows of a product on a GPU: in each row every tile leaves a partial sum in scratch, and a second launch adds
// these and computes what follows from the sums.
#pragma once

#include "column_sums.hpp"

namespace formwork::gpu::detail {

// Of `Lanes` neighbouring lanes, a power of two; all of them get the same bits.
template <class N, int Lanes, class Lane, class T> FORMWORK_DEVICE T combine_lanes(Lane const& lane, T v) {
  FORMWORK_UNROLL
  for (int bits = 1; bits < Lanes; bits *= 2) v = combine<N>(v, lane.shuffle_xor(v, bits));
  return v;
}

// The parts of each row, added in their order, by one thread. Shape: rows, row_parts, the slots `row_sums` of the tape and
// their ordinals, and row_part(scratch, ordinal, part, row).
template <class Shape> struct row_sums_launch {
  static constexpr const char* name = "row sums";
  using T = typename Shape::T;
  using runner = typename element_runner<T, typename Shape::arguments, typename Shape::tape_t>::rows;
  static constexpr int threads = 128;
  static constexpr launch_shape shape{.blocks = (Shape::rows + threads - 1) / threads, .threads = threads};

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    const long r = lane.block() * threads + lane.thread();
    if (r >= Shape::rows) return;
    typename runner::row_t row;
    typename runner::pointers p;
    runner::set_pointers(p, a.arguments, r);
    runner::template run<0>(a, row, p);
    add_all(a.scratch, r, row, typename Shape::row_sums{});
    runner::template run<1>(a, row, p);
  }

 private:
  template <int... K> FORMWORK_DEVICE static void add_all(void* scratch, long r, typename runner::row_t& row, std::integer_sequence<int, K...>) {
    ((row.f[K] = added<K>(scratch, r)), ...);
  }
  template <int K> FORMWORK_DEVICE static T added(void* scratch, long r) {
    using N = typename Shape::traits::template instruction<K>;
    constexpr int o = Shape::template row_ordinal<K>();
    T sum = *Shape::row_part(scratch, o, 0, r);
    for (long part = 1; part < Shape::row_parts; ++part) sum = combine<N>(sum, *Shape::row_part(scratch, o, part, r));
    return sum;
  }
};

}  // namespace formwork::gpu::detail
