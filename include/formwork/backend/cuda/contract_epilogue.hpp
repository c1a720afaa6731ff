// What follows a product's sums: the tape, or partial sums to scratch. The threads of a block take neighbouring columns
// of its rows, so that every load and store of the tape is as wide as memory allows.
#pragma once

#include "contract_sums.hpp"
#include "row_sums.hpp"

namespace formwork::gpu::detail {

// A thread's columns of a row that is `columns` wide. Crowded: beside a tile's sums, which fill half of its registers.
template <class T, class Arguments, class Tape, bool Crowded = false> struct contract_columns {
  using runner = element_runner<T, Arguments, Tape>;
  static constexpr int width = Tape::size > 48 || Crowded ? 4 : 16 / static_cast<int>(sizeof(T)) * 2;  // registers of each slot
  static constexpr int vector(long columns) { return runner::natural_vector(columns) < width ? runner::natural_vector(columns) : width; }
  static constexpr int chunks(long columns) { return width / vector(columns); }
};

// The tape over the elements that one thread holds of one row.
template <class T, class Arguments, class Tape> struct contract_tape {
  using runner = element_runner<T, Arguments, Tape>;
  using row_t = typename runner::row_t;
  using pointers = typename runner::pointers;
  template <int Product> static constexpr int accumulator = tape_traits<Tape>::slot_of(opcode::accumulator, Product);

  // here.f[accumulator<product>] holds the sums.
  template <class Columns, class Context, class Extras>
  FORMWORK_DEVICE static void run(Context const& a, typename runner::template slots<Columns>& here, long row, Columns const& at, Extras& extras) {
    row_t rows;
    pointers p;
    runner::rows::set_pointers(p, a.arguments, row);
    runner::rows::template run<0>(a, rows, p);
    runner::template run<0, true>(a, rows, here, p, at, extras);
  }
};

// A thread's sums down its columns, over the rows of the tile that it meets, and along the row that it is at.
template <class Shape, int Width> struct tile_results {
  using T = typename Shape::T;
  T sum[Shape::column_results > 0 ? Shape::column_results : 1][Width];
  T along[Shape::row_results > 0 ? Shape::row_results : 1];

  template <int... K> FORMWORK_DEVICE void start(std::integer_sequence<int, K...>) { (start_one<K>(), ...); }
  template <class N, int K, class At> FORMWORK_DEVICE void accumulate(T const (&v)[Width], At const& at) {
    if constexpr (is_row_reduction(N::what)) {
      T s = neutral<T, N>();
      FORMWORK_UNROLL
      for (int w = 0; w < Width; ++w)
        if (at.holds(w)) s = combine<N>(s, v[w]);
      along[Shape::template row_ordinal<K>()] = s;
    } else {
      constexpr int c = Shape::template column_ordinal<K>();
      FORMWORK_UNROLL
      for (int w = 0; w < Width; ++w)
        if (at.holds(w)) sum[c][w] = combine<N>(sum[c][w], v[w]);
    }
  }
  template <class N, class At> FORMWORK_DEVICE void recall(T (&)[Width], At const&) {}

 private:
  template <int K> FORMWORK_DEVICE void start_one() {
    constexpr int c = Shape::template column_ordinal<K>();
    FORMWORK_UNROLL
    for (int w = 0; w < Width; ++w) sum[c][w] = neutral<T, typename Shape::traits::template instruction<K>>();
  }
};

// Shape: of the product. Sums: tensor_sums or plain_sums, finished.
template <class Shape, class Sums> struct contract_epilogue {
  using T = typename Sums::T;
  static constexpr gpu_contract_schedule s = Shape::schedule;
  using columns = contract_columns<T, typename Shape::arguments, typename Shape::tape_t, Sums::crowded>;
  using tape = contract_tape<T, typename Shape::arguments, typename Shape::tape_t>;
  static constexpr staged_rows stage = Sums::stage;
  static constexpr int vector = columns::vector(Shape::n), chunks = columns::chunks(Shape::n);
  static constexpr int products = Shape::products, tile_columns = static_cast<int>(Shape::tile_columns);
  static constexpr int threads_per_row = tile_columns / (vector * chunks), rows_at_once = Sums::threads / threads_per_row;
  static_assert(tile_columns % (vector * chunks) == 0 && Sums::threads % threads_per_row == 0 && stage.rows % rows_at_once == 0);
  using columns_t = lane_columns<chunks, vector>;
  using results_t = tile_results<Shape, columns_t::width>;
  static constexpr std::size_t staged_bytes = static_cast<std::size_t>(stage.rows * Sums::pitch) * sizeof(T),
                               down_bytes = Shape::column_results > 0 ? static_cast<std::size_t>(rows_at_once * tile_columns) * sizeof(T) : 0,
                               bytes = staged_bytes > down_bytes ? staged_bytes : down_bytes;

  template <class Lane, class Context>
  FORMWORK_DEVICE static void run(Lane const& lane, Context const& a, Sums const& sums, long batch, long row, long column, int split) {
    T* const staged = reinterpret_cast<T*>(lane.shared());
    const int mine = lane.thread() / threads_per_row, first = lane.thread() % threads_per_row * vector;
    results_t results;
    results.start(typename Shape::column_sums{});
    for (int pass = 0; pass < stage.passes; ++pass) {
      lane.sync();
      store(lane, sums, staged, pass, std::make_integer_sequence<int, stage.passes>{});
      lane.sync();
      for (int i = mine; i < stage.rows; i += rows_at_once) {
        const long m = row + i / stage.run * stage.apart + pass * stage.run + i % stage.run;
        const columns_t at{column + first, threads_per_row * vector, m < Shape::m ? Shape::n : 0};
        const long number = batch * Shape::m + (m < Shape::m ? m : Shape::m - 1);
        typename tape::runner::template slots<columns_t> here;
        take<0>(a, here, staged + i * Sums::pitch + first, at, split, number);
        if constexpr (products == 2) take<1>(a, here, staged + i * Sums::pitch + tile_columns + first, at, split, number);
        if constexpr (s.splits == 1) tape::run(a, here, number, at, results);
        finish_along(lane, a, results, number, column / tile_columns, m < Shape::m, typename Shape::row_sums{});
      }
    }
    finish_down(lane, a, results, batch * Shape::row_tiles + row / s.tile_rows, column, typename Shape::column_sums{});
  }

  // Across the threads that share a row, neighbours in a warp; the row's sum in this tile goes to scratch.
  template <class Lane, class Context, int... K>
  FORMWORK_DEVICE static void finish_along([[maybe_unused]] Lane const& lane, [[maybe_unused]] Context const& a, [[maybe_unused]] results_t const& results, [[maybe_unused]] long row,
                                           [[maybe_unused]] long part, [[maybe_unused]] bool there, std::integer_sequence<int, K...>) {
    static_assert(sizeof...(K) == 0 || (threads_per_row <= warp && (threads_per_row & (threads_per_row - 1)) == 0));
    (finish_row<K>(lane, a, results, row, part, there), ...);
  }
  template <int K, class Lane, class Context> FORMWORK_DEVICE static void finish_row(Lane const& lane, Context const& a, results_t const& results, long row, long part, bool there) {
    constexpr int o = Shape::template row_ordinal<K>();
    const T sum = combine_lanes<typename Shape::traits::template instruction<K>, threads_per_row>(lane, results.along[o]);
    if (there && lane.thread() % threads_per_row == 0) *Shape::row_part(a.scratch, o, part, row) = sum;
  }

  // Across the threads that share columns, in their order; the tile's sums go to scratch.
  template <class Lane, class Context, int... K>
  FORMWORK_DEVICE static void finish_down([[maybe_unused]] Lane const& lane, [[maybe_unused]] Context const& a, [[maybe_unused]] results_t const& results, [[maybe_unused]] long group,
                                          [[maybe_unused]] long column, std::integer_sequence<int, K...>) {
    (finish_one<K>(lane, a, results, group, column), ...);
  }
  template <int K, class Lane, class Context> FORMWORK_DEVICE static void finish_one(Lane const& lane, Context const& a, results_t const& results, long group, long column) {
    using N = typename Shape::traits::template instruction<K>;
    constexpr int c = Shape::template column_ordinal<K>();
    T* const shared = reinterpret_cast<T*>(lane.shared());
    const int mine = lane.thread() / threads_per_row, first = lane.thread() % threads_per_row * vector;
    lane.sync();  // before the staged sums, or the last column sum, are written over
    FORMWORK_UNROLL
    for (int k = 0; k < chunks; ++k)
      FORMWORK_UNROLL
      for (int v = 0; v < vector; ++v) shared[mine * tile_columns + first + k * threads_per_row * vector + v] = results.sum[c][k * vector + v];
    lane.sync();
    for (int x = lane.thread(); x < tile_columns; x += Sums::threads) {
      T sum = shared[x];
      for (int r = 1; r < rows_at_once; ++r) sum = combine<N>(sum, shared[r * tile_columns + x]);
      if (column + x < Shape::n) Shape::partial(a.scratch, group, c)[column + x] = sum;
    }
  }

  // The sums of one product: to the tape's slot, and where K is split to memory.
  template <int Product, class Context, class Slots>
  FORMWORK_DEVICE static void take(Context const& a, Slots& here, const T* from, columns_t const& at, int split, long row) {
    T(&v)[columns_t::width] = here.f[tape::template accumulator<Product>];
    FORMWORK_UNROLL
    for (int k = 0; k < chunks; ++k) read<vector>(v, k * vector, from + k * threads_per_row * vector);
    if constexpr (s.splits > 1) {
      T* const to = Shape::partial(a.scratch, split, row, Product);
      FORMWORK_UNROLL
      for (int w = 0; w < columns_t::width; ++w)
        if (at.holds(w)) to[at.of(w / vector) + w % vector] = v[w];
    }
  }

  // Count neighbours of shared memory.
  template <int Count, int Width> FORMWORK_DEVICE static void read(T (&v)[Width], int begin, const T* from) {
    constexpr int bytes = Count * static_cast<int>(sizeof(T));
    if constexpr (Count > 1) load_run<(bytes < 16 ? bytes : 16)>(v, begin, from, Count);
    else v[begin] = *from;
  }

 private:
  template <class Lane, int... P> FORMWORK_DEVICE static void store(Lane const& lane, Sums const& sums, T* staged, int pass, std::integer_sequence<int, P...>) {
    ((pass == P ? sums.template store<P>(lane, staged) : void()), ...);
  }
};

// Partial sums of all splits, added in their order, and the tape.
template <class Shape> struct contract_finish {
  static constexpr const char* name = "contract finish";
  using T = typename Shape::T;
  using columns = contract_columns<T, typename Shape::arguments, typename Shape::tape_t>;
  using tape = contract_tape<T, typename Shape::arguments, typename Shape::tape_t>;
  static constexpr int vector = columns::vector(Shape::n), threads = 128;
  static constexpr long in_row = (Shape::n + vector - 1) / vector, elements = Shape::batch * Shape::m * in_row;
  static constexpr launch_shape shape{.blocks = (elements + threads - 1) / threads, .threads = threads};
  using columns_t = lane_columns<1, vector>;

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    const long e = lane.block() * threads + lane.thread();
    if (e >= elements) return;
    const long row = e / in_row;
    const columns_t at{e % in_row * vector, 0, Shape::n};
    typename tape::runner::template slots<columns_t> here;
    add<0>(a, here, row, at);
    if constexpr (Shape::products == 2) add<1>(a, here, row, at);
    no_reductions none;
    tape::run(a, here, row, at, none);
  }

 private:
  template <int Product, class Context, class Slots> FORMWORK_DEVICE static void add(Context const& a, Slots& here, long row, columns_t const& at) {
    T(&v)[vector] = here.f[tape::template accumulator<Product>];
    FORMWORK_UNROLL
    for (int w = 0; w < vector; ++w) v[w] = 0;
    for (int split = 0; split < Shape::schedule.splits; ++split) {
      const T* from = Shape::partial(a.scratch, split, row, Product);
      FORMWORK_UNROLL
      for (int w = 0; w < vector; ++w)
        if (at.holds(w)) v[w] += from[at.first + w];
    }
  }
};

}  // namespace formwork::gpu::detail
