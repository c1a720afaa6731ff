// The skeleton `contract` on a GPU: C = A B in tiles, one block each, with the tape as epilogue and as the prologue of
// operands that are computed. Operands of 16 bits, and of f32 where options allow tf32, go through tensor cores; anything
// else through multiply-add units. Where the tiles are few and K is long, K is split; the partial sums are added in their
// order by a second launch.
#pragma once

#include "contract_epilogue.hpp"

namespace formwork::gpu {

namespace detail {

template <class Options, dtype Type, dtype A, dtype B> constexpr gpu_products products_of() {
  if (Type == dtype::f64 || A == dtype::f64 || B == dtype::f64) return gpu_products::wide;
  if (A == B && (A == dtype::bf16 || A == dtype::f16)) return gpu_products::half;
  if (A == dtype::f32 && B == dtype::f32 && Options::products == f32_products::tf32) return gpu_products::tf32;
  return gpu_products::plain;
}

// Whole: K is not split, since what is summed down the columns or along the rows must be whole.
template <gpu_products What, long Batch, long M, long N, long K, int Products = 1, bool Whole = false> struct contract_schedule_of {
  static constexpr gpu_contract_schedule value = gpu_contract_schedule_for(What, Batch, M, N, K, Products, Whole ? 1 : gpu_contract_most_splits);
};

template <gpu_products What, dtype Operand, class T, class A, class B, class Schedule> struct sums_of { using type = plain_sums<T, A, B, Schedule>; };
template <dtype Operand, class T, class A, class B, class Schedule> struct sums_of<gpu_products::half, Operand, T, A, B, Schedule> {
  using type = tensor_sums<element_t<Operand>, A, B, Schedule>;
};
template <dtype Operand, class T, class A, class B, class Schedule> struct sums_of<gpu_products::tf32, Operand, T, A, B, Schedule> {
  using type = tensor_sums<tf32, A, B, Schedule>;
};

// What the launches of one product share.
template <long Batch, long M, long N, long K, dtype Type, class AStrides, class BStrides, class Arguments, class Tape, class Options> struct contract_shape {
  using T = std::conditional_t<Type == dtype::f64, double, float>;
  using arguments = Arguments;
  using tape_t = Tape;
  static constexpr long batch = Batch, m = M, n = N, k = K;
  using a_argument = argument_at<Arguments, 0>;
  using b_argument = argument_at<Arguments, 1>;
  using a_operand = std::conditional_t<tape_prologue<Tape, 0>::is_there, computed_operand<T, Arguments, Tape, 0, AStrides, M, K>, matrix_operand<0, a_argument, AStrides, M, K>>;
  // Of two products the right operands are arguments 1 and 2, alike but for where they lie.
  static constexpr int products = tape_traits<Tape>::count_of(opcode::accumulator);
  static_assert(products == 1 || products == 2);
  static_assert(BStrides::stride(1) == 0, "products on a GPU read no packed matrices");
  static constexpr bool second_is_less_aligned = argument_at<Arguments, products>::alignment < b_argument::alignment;
  using b_in_memory = matrix_operand<1, std::conditional_t<second_is_less_aligned, argument_at<Arguments, products>, b_argument>, BStrides, N, K, products>;
  using b_operand = std::conditional_t<tape_prologue<Tape, 1>::is_there, computed_operand<T, Arguments, Tape, 1, BStrides, N, K>, b_in_memory>;
  static constexpr gpu_products what = products_of<Options, Type, a_argument::type, b_argument::type>();
  using traits = tape_traits<Tape>;
  using column_sums = typename formwork::column_results<Tape>::slots;
  static constexpr int column_results = formwork::column_results<Tape>::count;
  template <int K_> static constexpr int column_ordinal() { return formwork::column_results<Tape>::template ordinal<K_>(); }
  using row_sums = typename formwork::row_results<Tape>::slots;
  static constexpr int row_results = formwork::row_results<Tape>::count;
  template <int K_> static constexpr int row_ordinal() { return formwork::row_results<Tape>::template ordinal<K_>(); }
  using schedule_of = contract_schedule_of<what, Batch, M, N, K, products, (column_results + row_results > 0)>;
  static constexpr gpu_contract_schedule schedule = schedule_of::value;
  using sums = typename sums_of<what, a_argument::type, T, a_operand, b_operand, schedule_of>::type;

  static constexpr long row_tiles = (M + schedule.tile_rows - 1) / schedule.tile_rows, tile_columns = schedule.tile_columns / products,
                        column_tiles = (N + tile_columns - 1) / tile_columns;
  static constexpr long tiles = row_tiles * column_tiles;

  // Sums down the columns: a group is a tile's rows. Partial sums: [group][ordinal][padded]
  static constexpr long columns = N, groups = Batch * row_tiles;
  FORMWORK_DEVICE static T* partial(void* scratch, long group, int ordinal) { return static_cast<T*>(scratch) + (group * column_results + ordinal) * padded; }
  // Sums along the rows: a part is a tile's columns. After those of groups: [ordinal][part][row]
  static constexpr long rows = Batch * M, row_parts = column_tiles;
  FORMWORK_DEVICE static T* row_part(void* scratch, int ordinal, long part, long row) { return static_cast<T*>(scratch) + groups * column_results * padded + (ordinal * row_parts + part) * rows + row; }
  // Partial sums of splits: [split][batch m][product][padded]
  static constexpr long padded = round_up(N, 16 / static_cast<long>(sizeof(T)));
  static_assert(column_results + row_results == 0 || schedule.splits == 1);
  static constexpr std::size_t scratch_bytes =
      sizeof(T) * static_cast<std::size_t>(schedule.splits > 1 ? schedule.splits * Batch * M * products * padded : groups * column_results * padded + row_results * row_parts * rows);
  FORMWORK_DEVICE static T* partial(void* scratch, long split, long row, int product) {
    return static_cast<T*>(scratch) + ((split * Batch * M + row) * products + product) * padded;
  }
};

// The launches after the main one.
template <class Main, class Shape> struct contract_launches {
  using down = columns_launch<Shape, typename Shape::arguments>;
  using along = row_sums_launch<Shape>;
  static constexpr bool has_down = Shape::column_results > 0, has_along = Shape::row_results > 0;
  using with_sums = std::conditional_t<has_down && has_along, launch_list<Main, down, along>,
                                       std::conditional_t<has_down, launch_list<Main, down>, std::conditional_t<has_along, launch_list<Main, along>, launch_list<Main>>>>;
  using type = std::conditional_t<(Shape::schedule.splits > 1), launch_list<Main, contract_finish<Shape>>, with_sums>;
};

template <class Shape> struct contract_main {
  static constexpr const char* name = "contract";
  using sums_t = typename Shape::sums;
  using epilogue = contract_epilogue<Shape, sums_t>;
  static constexpr gpu_contract_schedule s = Shape::schedule;
  static constexpr launch_shape shape{.blocks = Shape::batch * s.splits * Shape::tiles, .threads = sums_t::threads,
                                      .shared_bytes = epilogue::bytes > sums_t::bytes ? epilogue::bytes : sums_t::bytes,
                                      .blocks_per_multiprocessor = sums_t::blocks_per_multiprocessor};

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    // Blocks that run at the same time share rows and columns: bands of 8 tile rows, column by column.
    constexpr int band = Shape::row_tiles < 8 ? static_cast<int>(Shape::row_tiles) : 8, columns = static_cast<int>(Shape::column_tiles);
    const int tile = static_cast<int>(lane.block() % Shape::tiles), outside = static_cast<int>(lane.block() / Shape::tiles);
    const int split = outside % s.splits;
    const long batch = outside / s.splits;
    const int above = tile / (band * columns) * band, within = tile % (band * columns);
    const int height = Shape::row_tiles - above < band ? static_cast<int>(Shape::row_tiles) - above : band;
    const long row = static_cast<long>(above + within % height) * s.tile_rows, column = static_cast<long>(within / height) * Shape::tile_columns;
    const long begin = split * s.depth_each, end = begin + s.depth_each < Shape::k ? begin + s.depth_each : Shape::k;
    sums_t sums;
    sums.run(lane, a, batch, row, column, begin, static_cast<int>((end - begin + s.tile_depth - 1) / s.tile_depth));
    epilogue::run(lane, a, sums, batch, row, column, split);
  }
};

}  // namespace detail

template <long Batch, long M, long N, long K, dtype Type, class AStrides, class BStrides, class Arguments, class Tape, class Options>
struct kernel_plan<contract_kernel<Batch, M, N, K, Type, AStrides, BStrides, Arguments, Tape>, Options> {
  using shape = detail::contract_shape<Batch, M, N, K, Type, AStrides, BStrides, Arguments, Tape, Options>;
  static constexpr std::size_t scratch_bytes = shape::scratch_bytes;
  using main = detail::contract_main<shape>;
  using launches = typename detail::contract_launches<main, shape>::type;
};

}  // namespace formwork::gpu
