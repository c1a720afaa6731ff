// Few long rows on a GPU: parts of a row are blocks of their own, with one launch for each walk along the row. A block walks
// along its part and leaves its part of the stage's sums (and maxima) in scratch; in the launches that follow, every warp
// adds up the parts of the stages before, the same few numbers in the same order, and so has the row's values without
// waiting for anybody. So a full reduction takes two launches: parts, end; softmax, too: maximum and sum, result.
// gpu_rows_split_for says which rows are split.
#pragma once

#include "rows_launch.hpp"

namespace formwork::gpu {

namespace detail {

// What is known once per row before a stage.
template <class Shape, class... I> struct rows_known {
  using T = typename Shape::T;
  using rows = typename Shape::runner::rows;
  using row_t = typename Shape::runner::row_t;
  using pointers = typename Shape::runner::pointers;

  template <int Stage, class Lane, class Context> FORMWORK_DEVICE static void run(Lane const& lane, Context const& a, long number, row_t& row, pointers& p) {
    rows::set_pointers(p, a.arguments, number);
    until(lane, a, number, row, p, std::make_integer_sequence<int, Stage + 1>{});
  }

 private:
  template <class Lane, class Context, int... S> FORMWORK_DEVICE static void until(Lane const& lane, Context const& a, long number, row_t& row, pointers& p, std::integer_sequence<int, S...>) {
    (before<S>(lane, a, number, row, p, typename Shape::template row_sums<S - 1>{}), ...);
  }
  template <int S, class Lane, class Context, int... K> FORMWORK_DEVICE static void before([[maybe_unused]] Lane const& lane, Context const& a, [[maybe_unused]] long number, row_t& row, pointers& p, std::integer_sequence<int, K...>) {
    (finish<K>(lane, a, number, row), ...);
    rows::template run_without_stores<S>(a, row, p);
  }
  template <int K, class Lane, class Context> FORMWORK_DEVICE static void finish(Lane const& lane, Context const& a, long number, row_t& row) {
    using N = typename Shape::traits::template instruction<K>;
    constexpr int parts = static_cast<int>(Shape::split.parts);
    const T* of = Shape::part_results(a.scratch, number, Shape::template row_ordinal<K>());
    T v = neutral<T, N>();
    constexpr int m = Shape::template maximum_beside<K>();
    FORMWORK_UNROLL
    for (int k = 0; k < (parts + warp - 1) / warp; ++k) {
      const int part = k * warp + lane.thread() % warp;
      if (part >= parts) continue;
      if constexpr (m >= 0) v += of[part] * ops::exp::value(Shape::part_results(a.scratch, number, Shape::template row_ordinal<m>())[part] - row.f[m]);
      else v = combine<N>(v, of[part]);
    }
    row.f[K] = combine_lanes<N, warp>(lane, v);
  }
};

// Columns that are all there.
template <class Columns> struct all_of : Columns {
  FORMWORK_DEVICE static constexpr bool whole(int) { return true; }
  FORMWORK_DEVICE static constexpr bool holds(int) { return true; }
};

// Stage `Stage` of one part of a row.
template <class Shape, int Stage, class... I> struct rows_part_launch : rows_launch<Shape, I...> {
  static constexpr const char* name = "rows part";
  using whole = rows_launch<Shape, I...>;
  using typename whole::columns_t, typename whole::pointers, typename whole::row_t, typename whole::runner, typename whole::slots, typename whole::T;
  using walk_sums = typename Shape::template walk_sums<Stage>;
  static constexpr bool reduces = whole::template row_sums<Stage>::size() > 0;
  // What is stored once per row needs no launch of its own where the last stage has no sums, unless it may stand over what
  // the other blocks of the row read once per row, each for itself.
  static constexpr bool loads_rows = (false || ... || (I::what == opcode::load && I::at == level::row));
  static constexpr bool ends_apart = reduces || (loads_rows && runner::rows::has_stores);
  static constexpr bool stores_rows = Stage == Shape::stages - 1 && !ends_apart && runner::rows::has_stores;
  static constexpr launch_shape shape{.blocks = Shape::rows * Shape::split.parts, .threads = whole::block_threads, .shared_bytes = reduces ? whole::shape.shared_bytes : 0,
                                      .blocks_per_multiprocessor = whole::shape.blocks_per_multiprocessor};

  // A column of a row belongs to one part, and its part of a column sum is this one value.
  struct sums : whole::sums {
    template <class N, int K, class At> FORMWORK_DEVICE void accumulate(T const (&v)[whole::width], At const& at) {
      if constexpr (is_column_reduction(N::what)) {
        T* to = Shape::partial(this->scratch, this->group, Shape::template column_ordinal<K>());
        FORMWORK_UNROLL
        for (int w = 0; w < whole::width; ++w)
          if (at.holds(w)) to[at.of(w / whole::s.vector) + w % whole::s.vector] = v[w];
      } else {
        whole::sums::template accumulate<N, K>(v, at);
      }
    }
  };

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    const long number = lane.block() / Shape::split.parts, part = lane.block() % Shape::split.parts;
    row_t row{};
    pointers p;
    rows_known<Shape, I...>::template run<Stage>(lane, a, number, row, p);
    sums extras{{a.scratch, number, {}, {}, {}}};
    whole::start_rows(extras, walk_sums{});
    constexpr long filled = Shape::columns / (static_cast<long>(whole::block_threads) * whole::width);  // passes
    const long begin = part * Shape::split.passes_each, end = begin + Shape::split.passes_each < filled ? begin + Shape::split.passes_each : filled;
    for (long pass = begin; pass < end; ++pass) {
      slots here;
      runner::template run<Stage, false>(a, row, here, p, all_of<columns_t>{whole::columns_of(lane.thread(), pass, true)}, extras);
    }
    if constexpr (filled < whole::s.passes)
      if (part == Shape::split.parts - 1) {
        slots here;
        runner::template run<Stage, false>(a, row, here, p, whole::columns_of(lane.thread(), filled, true), extras);
      }
    if constexpr (reduces) {
      whole::template finish_walk<Stage>(lane, row, extras);
      if (lane.thread() == 0) leave(a, number, part, row, walk_sums{});
    }
    if constexpr (stores_rows) {
      runner::rows::template run_without_stores<Shape::stages>(a, row, p);
      if (part == 0 && lane.thread() == 0) runner::rows::store(row, p);
    }
  }

 private:
  template <class Context, int... K> FORMWORK_DEVICE static void leave(Context const& a, long number, long part, row_t const& row, std::integer_sequence<int, K...>) {
    ((Shape::part_results(a.scratch, number, Shape::template row_ordinal<K>())[part] = row.f[K]), ...);
  }
};

// What is known at the end, once per row: a warp for each.
template <class Shape, class... I> struct rows_end_launch {
  static constexpr const char* name = "rows end";
  static constexpr launch_shape shape{.blocks = Shape::rows, .threads = warp};

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    using rows = typename Shape::runner::rows;
    typename Shape::runner::row_t row;
    typename Shape::runner::pointers p;
    rows_known<Shape, I...>::template run<Shape::stages>(lane, a, lane.block(), row, p);
    lane.sync_warp();  // perhaps over what other threads have to read first
    if (lane.thread() == 0) rows::store(row, p);
  }
};

// The launches of a kernel whose rows are split. Columns: the launch that adds up partial column sums.
template <class Shape, class Stages, class Columns, class... I> struct split_rows_in;
template <class Shape, int... S, class Columns, class... I> struct split_rows_in<Shape, std::integer_sequence<int, S...>, Columns, I...> {
  template <class... More> using parts_and = launch_list<rows_part_launch<Shape, S, I...>..., More...>;
  using end = rows_end_launch<Shape, I...>;
  static constexpr bool ends_apart = rows_part_launch<Shape, Shape::stages - 1, I...>::ends_apart;
  static constexpr bool adds_columns = Shape::column_results > 0;
  using type = std::conditional_t<ends_apart, std::conditional_t<adds_columns, parts_and<end, Columns>, parts_and<end>>,
                                  std::conditional_t<adds_columns, parts_and<Columns>, parts_and<>>>;
};
template <class Shape, class Columns, class... I> using split_rows = typename split_rows_in<Shape, typename Shape::walked_stages, Columns, I...>::type;

}  // namespace detail

}  // namespace formwork::gpu
