// The launch of a rows kernel in which a group of threads works on a whole row, and what all launches of such a kernel
// share: the layout of its scratch, how a thread walks along its columns, sums across the threads of a row.
#pragma once

#include "../../kernels/gpu_rows_schedule.hpp"
#include "../../passes/storage.hpp"
#include "row_sums.hpp"

namespace formwork::gpu {

namespace detail {

// What the launches of one rows kernel share.
template <long Rows, long Columns, int Stages, bool RowReductions, bool ColumnReductions, int Kept, dtype Type, class Arguments, class Tape> struct rows_shape;
template <long Rows, long Columns, int Stages, bool RowReductions, bool ColumnReductions, int Kept, dtype Type, class Arguments, class... I>
struct rows_shape<Rows, Columns, Stages, RowReductions, ColumnReductions, Kept, Type, Arguments, tape<I...>> {
  using T = std::conditional_t<Type == dtype::f64, double, float>;
  using runner = element_runner<T, Arguments, tape<I...>>;
  using traits = typename runner::traits;
  static constexpr long rows = Rows, columns = Columns;
  static constexpr int stages = Stages, kept = Kept, arguments = Arguments::size;

 private:
  static constexpr gpu_rows_schedule schedule_of(int width) {
    return gpu_rows_schedule_for(Rows, Columns, runner::natural_vector(Columns), width, RowReductions, ColumnReductions, streamed_tape<tape<I...>>::value.keeps);
  }
  static constexpr int width = gpu_rows_width(static_cast<int>(sizeof...(I)), sizeof(T));
  static constexpr gpu_rows_schedule widest = schedule_of(width);
  static constexpr int element_accesses = (0 + ... + (I::at == level::element && (I::what == opcode::load || I::what == opcode::gather || I::what == opcode::store || I::what == opcode::place)));

 public:
  // Rows too long for registers. Without anything of the whole row its parts are blocks of their own.
  static constexpr bool whole_rows = RowReductions || runner::rows::has_stores;
  static constexpr bool streams = whole_rows && widest.passes > 1;
  // Few long rows: parts of each are blocks of their own (rows_split.hpp). Rows that are placed lie where others are read.
  static constexpr bool places = (false || ... || (I::what == opcode::place));
  static constexpr gpu_rows_split split = RowReductions && !places ? gpu_rows_split_for(Rows, widest.passes) : gpu_rows_split{1, widest.passes};
  static constexpr bool splits = split.parts > 1;
  // Elements that are read once and written once, as a loss or a softmax does, are walked along by two blocks on each
  // multiprocessor, with 64 registers for each thread and therefore fewer elements at a time.
  static constexpr bool light = streams && sizeof(T) == 4 && sizeof...(I) <= 32 && element_accesses <= 2;
  static constexpr gpu_rows_schedule schedule = light && !splits && width > 8 ? schedule_of(8) : widest;
  static constexpr long column_parts = whole_rows ? 1 : schedule.passes;
  static constexpr int threads = schedule.threads_per_row * schedule.rows_per_block;
  static constexpr int warps = threads < warp ? 1 : threads / warp;
  static constexpr bool across_warps = RowReductions && schedule.threads_per_row > warp;

  static constexpr long groups = schedule.blocks * schedule.rows_per_block;
  static constexpr int row_results = (0 + ... + (is_row_reduction(I::what) ? 1 : 0));
  static constexpr int column_results = formwork::column_results<tape<I...>>::count;
  // Their slots: of those that are known after stage S, and of those down the columns.
  template <int S> using row_sums = slots_where<(is_row_reduction(I::what) && I::stage == S)...>;
  using column_sums = typename formwork::column_results<tape<I...>>::slots;
  // The maximum whose walk a sum of exponentials shares, or -1, and the sums that share it (tape_stages.hpp). A stage whose
  // sums are all taken before has no walk.
  template <int K> static constexpr int maximum_beside() { return streams ? streamed_tape<tape<I...>>::value.maximum[K] : -1; }
  template <int M> using sums_beside = std::conditional_t<streams, typename streamed_tape<tape<I...>>::template sums_beside<M>::type, std::integer_sequence<int>>;
  template <int S> using walk_sums = typename streamed_tape<tape<I...>>::template sums<S>::type;
  template <int S> using walk_sums_beside = typename streamed_tape<tape<I...>>::template sums<S>::beside;
  template <int S> static constexpr bool walks = streamed_tape<tape<I...>>::template slots<S>::type::size() > 0;
  template <int... S> static slots_where<walks<S>...> walked(std::integer_sequence<int, S...>);
  using walked_stages = decltype(walked(std::make_integer_sequence<int, Stages>{}));
  // Stages that end in sums along the row.
  static constexpr int sum_stages() {
    int n = 0;
    for (int stage = 0; stage < Stages; ++stage) n += (false || ... || (is_row_reduction(I::what) && I::stage == stage)) ? 1 : 0;
    return n;
  }
  template <int K> static constexpr int row_ordinal() { return traits::count_before(K, is_row_reduction); }
  template <int K> static constexpr int column_ordinal() { return formwork::column_results<tape<I...>>::template ordinal<K>(); }
  static constexpr long padded = round_up(Columns, 16);
  // Scratch: partial column sums of each group, the kept rows of each group, the partial sums of each row's parts.
  static constexpr std::size_t partial_elements = static_cast<std::size_t>(groups * column_results * padded);
  static constexpr std::size_t kept_elements = streams && streamed_tape<tape<I...>>::value.keeps ? static_cast<std::size_t>(groups * Kept * padded) : 0;
  static constexpr std::size_t part_elements = splits ? static_cast<std::size_t>(Rows * row_results * split.parts) : 0;
  static constexpr std::size_t scratch_bytes = (partial_elements + kept_elements + part_elements) * sizeof(T);

  FORMWORK_DEVICE static T* partial(void* scratch, long group, int ordinal) { return static_cast<T*>(scratch) + (group * column_results + ordinal) * padded; }
  FORMWORK_DEVICE static T* kept_row(void* scratch, long group, int number) { return static_cast<T*>(scratch) + partial_elements + (group * Kept + number) * padded; }
  // [parts]
  FORMWORK_DEVICE static T* part_results(void* scratch, long row, int ordinal) { return static_cast<T*>(scratch) + partial_elements + kept_elements + (row * row_results + ordinal) * split.parts; }
};

template <class Shape, class... I> struct rows_launch {
  static constexpr const char* name = "rows";
  using T = typename Shape::T;
  using runner = typename Shape::runner;
  using row_t = typename runner::row_t;
  using pointers = typename runner::pointers;
  static constexpr gpu_rows_schedule s = Shape::schedule;
  static constexpr int block_threads = Shape::threads < warp ? warp : Shape::threads;
  static constexpr launch_shape shape{.blocks = s.blocks * Shape::column_parts, .threads = block_threads,
                                      .shared_bytes = Shape::across_warps ? static_cast<std::size_t>(Shape::row_results * Shape::warps) * sizeof(T) : 0,
                                      .blocks_per_multiprocessor = Shape::light && (!Shape::splits || Shape::arguments <= 3) ? 1024 / block_threads : 1};
  using columns_t = lane_columns<s.chunks, s.vector>;
  using slots = typename runner::template slots<columns_t>;
  static constexpr int width = columns_t::width;

  // Accumulators of a thread: sums along its row, and down its columns while they fit the registers.
  struct sums {
    void* scratch;
    long group;
    T row[Shape::row_results > 0 ? Shape::row_results : 1];
    T reference[Shape::row_results > 0 ? Shape::row_results : 1];  // of a maximum: sums beside it are of exp(x - reference)
    T column[Shape::column_results > 0 && !Shape::streams ? Shape::column_results : 1][width];

    template <class N, int K, class At> FORMWORK_DEVICE void accumulate(T const (&v)[width], At const& at) {
      if constexpr (Shape::template maximum_beside<K>() >= 0) {
        constexpr int r = Shape::template row_ordinal<K>();
        const T from = finite(reference[Shape::template row_ordinal<Shape::template maximum_beside<K>()>()]);
        FORMWORK_UNROLL
        for (int w = 0; w < width; ++w)
          if (at.holds(w)) row[r] += exponential(v[w] - from);
      } else if constexpr (is_row_reduction(N::what)) {
        constexpr int r = Shape::template row_ordinal<K>();
        FORMWORK_UNROLL
        for (int w = 0; w < width; ++w)
          if (at.holds(w)) row[r] = combine<N>(row[r], v[w]);
        if constexpr (Shape::template sums_beside<K>::size() > 0)
          if (row[r] > reference[r] + furthest) {
            scale(reference[r], row[r], typename Shape::template sums_beside<K>{});
            reference[r] = row[r];
          }
      } else if constexpr (is_column_reduction(N::what)) {
        constexpr int c = Shape::template column_ordinal<K>();
        FORMWORK_UNROLL
        for (int w = 0; w < width; ++w)
          if (at.holds(w)) {
            if constexpr (Shape::streams) {
              T& sum = Shape::partial(scratch, group, c)[at.of(w / s.vector) + w % s.vector];
              sum = combine<N>(sum, v[w]);
            } else {
              column[c][w] = combine<N>(column[c][w], v[w]);
            }
          }
      } else {
        FORMWORK_UNROLL
        for (int w = 0; w < width; ++w)
          if (at.holds(w)) Shape::kept_row(scratch, group, N::argument)[at.of(w / s.vector) + w % s.vector] = v[w];
      }
    }
    // How far a maximum gets ahead of its reference: each scaling rounds the sum, and a row that rises slowly has many.
    static constexpr T furthest = 8;
    // Sums of exp(x - from), as sums of exp(x - to).
    template <int... K> FORMWORK_DEVICE void scale(T from, T to, std::integer_sequence<int, K...>) {
      const T factor = exponential(from - to);
      ((row[Shape::template row_ordinal<K>()] *= factor), ...);
    }
    // Where all elements so far are -infinity, their exponentials are zeros all the same.
    FORMWORK_DEVICE static T finite(T maximum) { return maximum == -std::numeric_limits<T>::infinity() ? T(0) : maximum; }
    FORMWORK_DEVICE static T exponential(T x) { return ops::exp::value(x); }

    template <class N, class At> FORMWORK_DEVICE void recall(T (&v)[width], At const& at) {
      FORMWORK_UNROLL
      for (int w = 0; w < width; ++w)
        if (at.holds(w)) v[w] = Shape::kept_row(scratch, group, N::argument)[at.of(w / s.vector) + w % s.vector];
    }
  };

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    const long row_block = lane.block() / Shape::column_parts;
    const int part = static_cast<int>(lane.block() % Shape::column_parts);
    const int in_block = lane.thread() / s.threads_per_row, member = lane.thread() % s.threads_per_row;
    const bool spare = in_block >= s.rows_per_block;  // threads that only fill up a warp
    const long group = row_block * s.rows_per_block + in_block;
    sums extras{a.scratch, group, {}, {}, {}};
    start_columns(extras, member, part, spare, column_sums{});
    for (long n = 0; n < s.rows_each; ++n) {
      const long wanted = group * s.rows_each + n;
      const bool there = wanted < Shape::rows && !spare;
      row_t row;
      pointers p;
      runner::rows::set_pointers(p, a.arguments, there ? wanted : Shape::rows - 1);
      walk_stages(lane, a, row, p, extras, member, part, there, std::make_integer_sequence<int, Shape::stages>{});
      runner::rows::template run_without_stores<Shape::stages>(a, row, p);
      if constexpr (runner::rows::has_stores) {  // perhaps over what other threads of the row have to read first
        lane.sync();
        if (there && member == 0) runner::rows::store(row, p);
      } else if constexpr (Shape::across_warps && s.rows_each > 1 && Shape::sum_stages() == 1) {
        lane.sync();  // before the next row's sums; with more stages the barriers in between do
      }
    }
    if constexpr (!Shape::streams && Shape::column_results > 0)
      if (!spare) store_columns(extras, member, part, column_sums{});
  }

 protected:
  template <int K> using instruction = typename Shape::traits::template instruction<K>;
  template <int S> using row_sums = typename Shape::template row_sums<S>;
  using column_sums = typename Shape::column_sums;

  // Of the columns in pass n; none unless the row exists.
  FORMWORK_DEVICE static columns_t columns_of(int member, long pass, bool there) {
    constexpr long step = static_cast<long>(s.threads_per_row) * s.vector;
    return {pass * step * s.chunks + member * s.vector, step, there ? Shape::columns : 0};
  }

  template <class Lane, class Context, int... S>
  FORMWORK_DEVICE static void walk_stages(Lane const& lane, Context const& a, row_t& row, pointers& p, sums& extras, int member, int part, bool there, std::integer_sequence<int, S...>) {
    if constexpr (Shape::streams) {
      (stream<S>(lane, a, row, p, extras, member, there), ...);
    } else {
      slots here;
      const columns_t at = columns_of(member, part, there);
      (hold<S>(lane, a, row, p, here, at, extras), ...);
    }
  }
  template <int S, class Lane, class Context>
  FORMWORK_DEVICE static void hold(Lane const& lane, Context const& a, row_t& row, pointers& p, slots& here, columns_t const& at, sums& extras) {
    runner::rows::template run_without_stores<S>(a, row, p);
    start_rows(extras, row_sums<S>{});
    runner::template run<S, true>(a, row, here, p, at, extras);
    finish_rows(lane, row, extras, row_sums<S>{});
  }
  template <int S, class Lane, class Context>
  FORMWORK_DEVICE static void stream(Lane const& lane, Context const& a, row_t& row, pointers& p, sums& extras, int member, bool there) {
    runner::rows::template run_without_stores<S>(a, row, p);
    if constexpr (Shape::template walks<S>) {
      start_rows(extras, typename Shape::template walk_sums<S>{});
      for (long pass = 0; pass < s.passes; ++pass) {
        slots here;
        const columns_t at = columns_of(member, pass, there);
        runner::template run<S, false>(a, row, here, p, at, extras);
      }
      finish_walk<S>(lane, row, extras);
    }
  }

  // Sums beside a maximum are scaled to the row's.
  template <int S, class Lane> FORMWORK_DEVICE static void finish_walk(Lane const& lane, row_t& row, sums& extras) {
    using beside = typename Shape::template walk_sums_beside<S>;
    finish_rows(lane, row, extras, row_sums<S>{});
    scale_to_row(row, extras, beside{});
    finish_rows(lane, row, extras, beside{});
  }
  template <int... K> FORMWORK_DEVICE static void scale_to_row([[maybe_unused]] row_t const& row, [[maybe_unused]] sums& extras, std::integer_sequence<int, K...>) {
    (scale_to_row<K, Shape::template maximum_beside<K>()>(row, extras), ...);
  }
  // Of a whole row of -infinity the result is NaN, as exp(x - m) is; of a part, zero.
  template <int K, int M> FORMWORK_DEVICE static void scale_to_row(row_t const& row, sums& extras) {
    extras.scale(extras.reference[Shape::template row_ordinal<M>()], Shape::splits ? sums::finite(row.f[M]) : row.f[M], std::integer_sequence<int, K>{});
  }

  template <int... K> FORMWORK_DEVICE static void start_rows(sums& extras, std::integer_sequence<int, K...>) {
    ((extras.row[Shape::template row_ordinal<K>()] = neutral<T, instruction<K>>(), extras.reference[Shape::template row_ordinal<K>()] = -std::numeric_limits<T>::infinity()), ...);
  }

  // Across the lanes of the row, then (through shared memory, in the order of the warps) across its warps.
  template <class Lane, int... K>
  FORMWORK_DEVICE static void finish_rows([[maybe_unused]] Lane const& lane, [[maybe_unused]] row_t& row, [[maybe_unused]] sums& extras, std::integer_sequence<int, K...>) {
    if constexpr (sizeof...(K) > 0) {
      (across_lanes<K>(lane, row, extras), ...);
      if constexpr (Shape::across_warps) {
        lane.sync();
        (across_warps<K>(lane, row), ...);  // each sum has shared memory of its own
      }
    }
  }
  template <int K, class Lane> FORMWORK_DEVICE static void across_lanes(Lane const& lane, row_t& row, sums& extras) {
    constexpr int r = Shape::template row_ordinal<K>();
    const T v = combine_lanes<instruction<K>, (s.threads_per_row < warp ? s.threads_per_row : warp)>(lane, extras.row[r]);
    row.f[K] = v;
    if constexpr (Shape::across_warps)
      if (lane.thread() % warp == 0) reinterpret_cast<T*>(lane.shared())[r * Shape::warps + lane.thread() / warp] = v;
  }
  template <int K, class Lane> FORMWORK_DEVICE static void across_warps(Lane const& lane, row_t& row) {
    const T* v = reinterpret_cast<const T*>(lane.shared()) + Shape::template row_ordinal<K>() * Shape::warps;
    T sum = v[0];
    FORMWORK_UNROLL
    for (int w = 1; w < Shape::warps; ++w) sum = combine<instruction<K>>(sum, v[w]);
    row.f[K] = sum;
  }

  template <int... K>
  FORMWORK_DEVICE static void start_columns([[maybe_unused]] sums& extras, [[maybe_unused]] int member, [[maybe_unused]] int part, [[maybe_unused]] bool spare, std::integer_sequence<int, K...>) {
    (start_column<K>(extras, member, part, spare), ...);
  }
  template <int K> FORMWORK_DEVICE static void start_column(sums& extras, [[maybe_unused]] int member, [[maybe_unused]] int part, [[maybe_unused]] bool spare) {
    constexpr int c = Shape::template column_ordinal<K>();
    if constexpr (Shape::streams) {
      for (long pass = 0; pass < s.passes; ++pass) {
        const columns_t at = columns_of(member, pass, !spare);
        FORMWORK_UNROLL
        for (int w = 0; w < width; ++w)
          if (at.holds(w)) Shape::partial(extras.scratch, extras.group, c)[at.of(w / s.vector) + w % s.vector] = neutral<T, instruction<K>>();
      }
    } else {
      FORMWORK_UNROLL
      for (int w = 0; w < width; ++w) extras.column[c][w] = neutral<T, instruction<K>>();
    }
  }
  template <int... K> FORMWORK_DEVICE static void store_columns(sums const& extras, int member, int part, std::integer_sequence<int, K...>) {
    (store_column<K>(extras, member, part), ...);
  }
  template <int K> FORMWORK_DEVICE static void store_column(sums const& extras, int member, int part) {
    constexpr int c = Shape::template column_ordinal<K>();
    const columns_t at = columns_of(member, part, true);
    T* to = Shape::partial(extras.scratch, extras.group, c);
    FORMWORK_UNROLL
    for (int w = 0; w < width; ++w)
      if (at.holds(w)) to[at.of(w / s.vector) + w % s.vector] = extras.column[c][w];
  }
};

}  // namespace detail

}  // namespace formwork::gpu
