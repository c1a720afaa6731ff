// The skeleton `rows` on a GPU: elementwise work with reductions along rows and down columns. A group of threads holds a
// row in registers from its first load to its last store, so that memory is read once; rows too long for that are
// walked along once per stage (softmax's maximum and its sum together), and, where they are too few to fill a GPU, a part
// by each block. Sums have an order that the shape alone decides: within a thread, across the lanes of a warp, across
// warps, over the parts of a row, and (down columns) over fixed runs of rows, whose partial sums a second launch adds.
#pragma once

#include "rows_split.hpp"

namespace formwork::gpu {

namespace detail {

template <class Shape, bool Splits, class Columns, class... I> struct rows_launches {
  using main = rows_launch<Shape, I...>;
  using type = std::conditional_t<(Shape::column_results > 0), launch_list<main, Columns>, launch_list<main>>;
};
template <class Shape, class Columns, class... I> struct rows_launches<Shape, true, Columns, I...> { using type = split_rows<Shape, Columns, I...>; };

}  // namespace detail

template <long Rows, long Columns, int Stages, bool RowReductions, bool ColumnReductions, int Kept, dtype Type, class Arguments, class... I, class Options>
struct kernel_plan<rows_kernel<Rows, Columns, Stages, RowReductions, ColumnReductions, Kept, Type, Arguments, tape<I...>>, Options> {
  using shape = detail::rows_shape<Rows, Columns, Stages, RowReductions, ColumnReductions, Kept, Type, Arguments, tape<I...>>;
  static constexpr std::size_t scratch_bytes = shape::scratch_bytes;
  using columns = detail::columns_launch<shape, Arguments>;
  using launches = typename detail::rows_launches<shape, shape::splits, columns, I...>::type;
};

}  // namespace formwork::gpu
