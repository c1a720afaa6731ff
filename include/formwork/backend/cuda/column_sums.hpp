// Sums down the columns on a GPU: each group of rows leaves partial sums in scratch, and a second launch adds these.
#pragma once

#include <limits>

#include "tape_elements.hpp"

namespace formwork::gpu::detail {

template <class T, class N> FORMWORK_DEVICE constexpr T neutral() { return is_maximum(N::what) ? -std::numeric_limits<T>::infinity() : T(0); }
template <class N, class T> FORMWORK_DEVICE T combine(T a, T b) {
  if constexpr (is_maximum(N::what)) return math::max(a, b);
  else return a + b;
}

// The partial column sums of all groups of rows, added in their order: eight interleaved runs for each column. Shape: columns,
// groups, the slots `column_sums` of the tape and their number and ordinals, and partial(scratch, group, ordinal), a row of sums.
template <class Shape, class Arguments> struct columns_launch {
  static constexpr const char* name = "column sums";
  using T = typename Shape::T;
  static constexpr int runs = 8;
  static constexpr launch_shape shape{.blocks = (Shape::columns + warp - 1) / warp, .threads = warp * runs, .shared_bytes = warp * runs * sizeof(T)};

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    run_all(lane, a, typename Shape::column_sums{});
  }

 private:
  template <class Lane, class Context, int... K> FORMWORK_DEVICE static void run_all(Lane const& lane, Context const& a, std::integer_sequence<int, K...>) {
    (one<K>(lane, a), ...);
  }
  template <int K, class Lane, class Context> FORMWORK_DEVICE static void one(Lane const& lane, Context const& a) {
    using N = typename Shape::traits::template instruction<K>;
    const long column = lane.block() * warp + lane.thread() % warp;
    const int part = lane.thread() / warp;
    T sum = neutral<T, N>();
    if (column < Shape::columns)
      for (long g = part; g < Shape::groups; g += runs) sum = combine<N>(sum, Shape::partial(a.scratch, g, Shape::template column_ordinal<K>())[column]);
    T* shared = reinterpret_cast<T*>(lane.shared());
    shared[lane.thread()] = sum;
    lane.sync();
    if (part == 0 && column < Shape::columns) {
      for (int r = 1; r < runs; ++r) sum = combine<N>(sum, shared[r * warp + lane.thread()]);
      using argument = argument_at<Arguments, N::argument>;
      using stored = element_t<argument::type>;
      static_cast<stored*>(a.arguments[N::argument])[argument::column::offset(column)] = static_cast<stored>(sum);
    }
    if constexpr (Shape::template column_ordinal<K>() + 1 < Shape::column_results) lane.sync();  // before the next sum takes its place
  }
};

}  // namespace formwork::gpu::detail
