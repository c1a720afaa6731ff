// The skeleton `scatter` on a GPU: rows of updates added into rows of a table, without atomics and in an order that the
// updates' order alone decides. The updates are cut into runs; the updates of one table row in a run are added in their order,
// by the block of the first of them, and the runs' sums in theirs, by the block of the first one of all. So a row that is
// wanted often, as the embedding of a space among bytes, keeps many blocks busy. A map says where in each run that block is.
#pragma once

#include "execute.hpp"

namespace formwork::gpu {

namespace detail {

template <long TableRows, class Index> FORMWORK_DEVICE int clamped(Index i) {
  return static_cast<int>(i < 0 ? 0 : static_cast<long>(i) >= TableRows ? TableRows - 1 : static_cast<long>(i));
}

// Updates of one run: a block looks through all of them, and through the map's positions of its row, one for each run.
constexpr int scatter_run(long rows) {
  int run = 256;
  while (rows > static_cast<long>(run) * 4096) run *= 2;
  return run;
}

template <long TableRows, long Rows, long Columns, class T, dtype UpdateType, dtype IndexType> struct scatter_shape {
  using type = T;
  using update_t = element_t<UpdateType>;
  using index_t = element_t<IndexType>;
  static constexpr long table_rows = TableRows, rows = Rows, columns = Columns;
  static constexpr int run = scatter_run(Rows), runs = static_cast<int>((Rows + run - 1) / run);
  static constexpr int threads = Columns >= 256 ? 256 : Columns >= 128 ? 128 : Columns >= 64 ? 64 : 32;
  // Of more than one run: the sum of the updates that the block of update i has added, [Rows, Columns], and their table row,
  // or -1 where the block of another one has.
  static constexpr std::size_t sum_bytes = runs > 1 ? sizeof(T) * static_cast<std::size_t>(Rows * Columns) : 0;
  static constexpr std::size_t added_bytes = runs > 1 ? sizeof(int) * static_cast<std::size_t>(Rows) : 0;
  // The map, [TableRows, runs]: the position in its run of the update whose block has added the row there. Nobody clears it: the
  // other places hold anything. There is one if it takes no more than the sums and a quarter of the table;
  // where it would be larger (a large table of few columns) a block looks through all of `added`, Rows numbers and not runs.
  using position = std::uint16_t;
  static_assert(run - 1 <= 0xffff, "a position in a run has 16 bits");
  static constexpr std::size_t all_places = sizeof(position) * static_cast<std::size_t>(TableRows) * static_cast<std::size_t>(runs);
  static constexpr bool mapped = runs > 1 && all_places <= sum_bytes + sizeof(T) * static_cast<std::size_t>(TableRows * Columns) / 4;
  static constexpr std::size_t scratch_bytes = sum_bytes + added_bytes + (mapped ? all_places : 0);
  // One behind the other, the widest type first: each begins at a multiple of its own size.
  FORMWORK_DEVICE static T* sums(void* scratch) { return static_cast<T*>(scratch); }
  FORMWORK_DEVICE static int* added(void* scratch) { return reinterpret_cast<int*>(static_cast<std::byte*>(scratch) + sum_bytes); }
  FORMWORK_DEVICE static position* places(void* scratch, int row) {
    return reinterpret_cast<position*>(static_cast<std::byte*>(scratch) + sum_bytes + added_bytes) + static_cast<long>(row) * runs;
  }
};

// The k in [first, end) for which a condition holds, in their order, and how many; it holds for the first one.
template <int Threads, class Lane, class Condition> FORMWORK_DEVICE void compact(Lane const& lane, int first, int end, int* to, int* number, Condition const& holds) {
  for (int k = first + lane.thread(); k < end; k += Threads) {
    if (!holds(k)) continue;
    int before = 0;
    for (int j = first; j < k; ++j) before += holds(j);
    to[before] = k;
    if (k > first) continue;
    int all = 1;
    for (int j = first + 1; j < end; ++j) all += holds(j);
    *number = all;
  }
}

// from[place(k) * columns] + ... for k < count, in their order, many loads at a time.
template <class T, class Stored, class Place> FORMWORK_DEVICE T add_in_order(T sum, const Stored* from, long columns, int count, Place const& place) {
  constexpr int batch = 8;
  int k = 0;
  for (; k + batch <= count; k += batch) {
    Stored x[batch];
    FORMWORK_UNROLL
    for (int j = 0; j < batch; ++j) x[j] = from[place(k + j) * columns];
    FORMWORK_UNROLL
    for (int j = 0; j < batch; ++j) sum += static_cast<T>(x[j]);
  }
  for (; k < count; ++k) sum += static_cast<T>(from[place(k) * columns]);
  return sum;
}

// Start: 0 the table begins as zeros, 1 it is already there, 2 it is copied from the base.
template <long TableRows, long Columns, int Start, class T> struct scatter_start {
  static constexpr const char* name = "scatter start";
  static constexpr int threads = 256, each = 4;
  static constexpr long elements = TableRows * Columns;
  static constexpr launch_shape shape{.blocks = (elements + threads * each - 1) / (threads * each), .threads = threads};

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    const T* base = static_cast<const T*>(a.arguments[0]);
    T* table = static_cast<T*>(a.arguments[3]);
    FORMWORK_UNROLL
    for (int k = 0; k < each; ++k) {
      const long e = (lane.block() * each + k) * threads + lane.thread();
      if (e < elements) table[e] = Start == 2 ? base[e] : T(0);
    }
  }
};

// The updates of one run. A single run adds to the table.
template <class Shape> struct scatter_parts {
  static constexpr const char* name = Shape::runs > 1 ? "scatter parts" : "scatter";
  using T = typename Shape::type;
  static constexpr int run_of = Shape::run, threads = Shape::threads;
  static constexpr launch_shape shape{.blocks = Shape::rows, .threads = threads, .shared_bytes = sizeof(int) * (2 * run_of + 1)};

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    const auto* index = static_cast<const typename Shape::index_t*>(a.arguments[1]);
    int* const rows = reinterpret_cast<int*>(lane.shared());  // of the run's updates
    int* const same = rows + run_of;                          // those of the block's, in their order
    int* const number = same + run_of;                        // how many
    const long update = lane.block(), begin = update / run_of * run_of;
    const int mine = static_cast<int>(update - begin);
    for (int k = lane.thread(); k < run_of; k += threads) rows[k] = begin + k < Shape::rows ? clamped<Shape::table_rows>(index[begin + k]) : -1;
    lane.sync();
    const int row = rows[mine];
    bool first = true;
    for (int k = 0; k < mine; ++k) first = first && rows[k] != row;
    if constexpr (Shape::runs > 1)
      if (lane.thread() == 0) {
        Shape::added(a.scratch)[update] = first ? row : -1;
        if (Shape::mapped && first) Shape::places(a.scratch, row)[begin / run_of] = static_cast<typename Shape::position>(mine);
      }
    if (!first) return;
    compact<threads>(lane, mine, run_of, same, number, [&](int k) { return rows[k] == row; });
    lane.sync();
    const int count = *number;
    const auto* updates = static_cast<const typename Shape::update_t*>(a.arguments[2]) + begin * Shape::columns;
    T* const to = Shape::runs > 1 ? Shape::sums(a.scratch) + update * Shape::columns : static_cast<T*>(a.arguments[3]) + row * Shape::columns;
    for (long c = lane.thread(); c < Shape::columns; c += threads)
      to[c] = add_in_order(Shape::runs > 1 ? T(0) : to[c], updates + c, Shape::columns, count, [&](int k) { return static_cast<long>(same[k]); });
  }
};

// The sums of all runs.
template <class Shape> struct scatter_add {
  static constexpr const char* name = "scatter";
  using T = typename Shape::type;
  static constexpr int threads = Shape::threads;
  static constexpr launch_shape shape{.blocks = Shape::rows, .threads = threads, .shared_bytes = sizeof(int) * (2 * Shape::runs + 1)};

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    const int* const added = Shape::added(a.scratch);
    int* const of_run = reinterpret_cast<int*>(lane.shared());  // the update whose block has added, or -1
    int* const there = of_run + Shape::runs;                    // those that are, in their order
    int* const number = there + Shape::runs;                    // how many
    const long update = lane.block();
    const int row = added[update], mine = static_cast<int>(update / Shape::run);
    if (row < 0) return;
    if constexpr (Shape::mapped) {
      // Whatever stands here: if the update that it names has added this row, that update's block wrote it.
      const auto* const places = Shape::places(a.scratch, row);
      for (int r = lane.thread(); r < Shape::runs; r += threads) {
        const int place = places[r];
        const long k = static_cast<long>(r) * Shape::run + place;
        of_run[r] = place < Shape::run && k < Shape::rows && added[k] == row ? static_cast<int>(k) : -1;
      }
    } else {
      for (int r = lane.thread(); r < Shape::runs; r += threads) of_run[r] = -1;
      lane.sync();
      for (long k = lane.thread(); k < Shape::rows; k += threads)
        if (added[k] == row) of_run[k / Shape::run] = static_cast<int>(k);
    }
    lane.sync();
    bool first = true;
    for (int r = 0; r < mine; ++r) first = first && of_run[r] < 0;
    if (!first) return;
    compact<threads>(lane, mine, Shape::runs, there, number, [&](int r) { return of_run[r] >= 0; });
    lane.sync();
    const int count = *number;
    T* const to = static_cast<T*>(a.arguments[3]) + row * Shape::columns;
    const T* const sums = Shape::sums(a.scratch);
    for (long c = lane.thread(); c < Shape::columns; c += threads)
      to[c] = add_in_order(to[c], sums + c, Shape::columns, count, [&](int k) { return static_cast<long>(of_run[there[k]]); });
  }
};

}  // namespace detail

template <long TableRows, long Rows, long Columns, int Start, dtype Type, dtype UpdateType, dtype IndexType, class Options>
struct kernel_plan<scatter_kernel<TableRows, Rows, Columns, Start, Type, UpdateType, IndexType>, Options> {
  using T = std::conditional_t<Type == dtype::f64, double, float>;
  using shape = detail::scatter_shape<TableRows, Rows, Columns, T, UpdateType, IndexType>;
  static constexpr std::size_t scratch_bytes = shape::scratch_bytes;
  using start = detail::scatter_start<TableRows, Columns, Start, T>;
  using parts = detail::scatter_parts<shape>;
  using add = detail::scatter_add<shape>;
  template <class... Launch> using after_start = std::conditional_t<Start == 1, launch_list<Launch...>, launch_list<start, Launch...>>;
  using launches = std::conditional_t<(shape::runs > 1), after_start<parts, add>, after_start<parts>>;
};

}  // namespace formwork::gpu
