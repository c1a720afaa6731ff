// The skeleton `rows` on a GPU: elementwise work with reductions along rows and down columns. A group of threads holds a
// row in registers from its first load to its last store, so that memory is read once; rows too long for that are
// walked along once per stage, and, where they are too few to fill a GPU, a part by each block. Sums have an order that
// the shape alone decides: within a thread, across the lanes of a warp, across warps, over the parts of a row, and (down
// columns) over fixed runs of rows, whose partial sums a second launch adds.
#pragma once

#include "rows_split.hpp"

namespace formwork::cuda {

namespace detail {

// The partial column sums of all groups, added in their order: eight interleaved runs for each column.
template <class Shape, class Arguments, class... I> struct columns_launch {
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

template <class Shape, class Columns, class... I> struct whole_rows {
  using main = rows_launch<Shape, I...>;
  using type = std::conditional_t<(Shape::column_results > 0), launch_list<main, Columns>, launch_list<main>>;
};

}  // namespace detail

template <long Rows, long Columns, int Stages, bool RowReductions, bool ColumnReductions, int Kept, dtype Type, class Arguments, class... I, class Options>
struct kernel_plan<rows_kernel<Rows, Columns, Stages, RowReductions, ColumnReductions, Kept, Type, Arguments, tape<I...>>, Options> {
  using shape = detail::rows_shape<Rows, Columns, Stages, RowReductions, ColumnReductions, Kept, Type, Arguments, tape<I...>>;
  static constexpr std::size_t scratch_bytes = shape::scratch_bytes;
  using columns = detail::columns_launch<shape, Arguments, I...>;
  using launches = typename std::conditional_t<shape::splits, detail::split_rows<shape, std::make_integer_sequence<int, Stages>, columns, I...>,
                                               detail::whole_rows<shape, columns, I...>>::type;
};

}  // namespace formwork::cuda
