// The skeleton `contract` on the CPU: a batched matrix product with work fused before it, on either operand,
// and after it, on each finished vector of the result.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "../../kernels/contract_schedule.hpp"
#include "contract_micro.hpp"
#include "contract_pack.hpp"
#include "contract_panels.hpp"
#include "simd.hpp"
#include "threads.hpp"

namespace formwork::cpu {

// What `contract` calls with the results: value holds C[batch][row][column ... column + count - 1] in its
// first `count` lanes. Every element arrives exactly once, from any of the threads; storing is its business. Where it has
// start(batch, row, column), the columns of a register tile's row arrive one after the other, each with what start gave, and
// then that goes to finish().
template <class Epilogue, class T>
concept contract_epilogue = requires(Epilogue const& e, std::ptrdiff_t at, pack<T, native_width<T>> value) {
  e(at, at, at, value, int());
};

// The epilogue that only stores: C[batch][row][column] at pointer[batch * batch_stride + row * stride + column].
template <class T> struct store_result {
  T* pointer;
  std::ptrdiff_t batch_stride = 0, stride;

  FORMWORK_INLINE void operator()(std::ptrdiff_t batch, std::ptrdiff_t row, std::ptrdiff_t column,
                                  pack<T, native_width<T>> value, int count) const {
    T* p = pointer + batch * batch_stride + row * stride + column;
    if (count == native_width<T>) value.store(p);
    else value.store(p, count);
  }
  template <class Errands> void touch(Errands& errands, std::ptrdiff_t batch, std::ptrdiff_t row, std::ptrdiff_t column) const {
    errands.ask_to_write(pointer + batch * batch_stride + row * stride + column);
  }
};

// Bytes of packing buffers that each thread maps once, at its first product, whatever the shapes.
template <class T>
inline constexpr std::size_t contract_scratch_bytes = [] {
  constexpr auto limits = kernels::contract_block_limits(sizeof(T));
  constexpr std::size_t slack = 64;  // rounding of a block up to whole tiles
  return sizeof(T) * (limits.packed + slack * limits.depth * 3 + (limits.rows + slack) * (limits.columns + slack));
}();

namespace detail {

struct contract_shape {
  int batch, rows, columns, depth;
  bool packed;  // B
  kernels::contract_schedule schedule;
};

// How many threads share the rows and the columns of one product.
struct contract_grid {
  int rows, columns;
};
inline contract_grid contract_grid_for(contract_shape const& s, int threads) {
  contract_grid best{1, 1};
  double least = 0;
  for (int r = 1; r <= threads; ++r) {
    const int c = threads / r;
    const auto share = [](int extent, int unit, int parts) {
      return static_cast<double>(((extent + unit - 1) / unit + parts - 1) / parts * unit);
    };
    const double rows = share(s.rows, s.schedule.tile_rows, r);
    const double columns = share(s.columns, s.schedule.tile_columns, c);
    // Cycles per k of the slowest thread: 32 multiply-adds per cycle, about a quarter per packed element, and less where
    // it is only read.
    const double cost = rows * columns / 32 + rows / 4 + columns / (s.packed ? 16 : 4);
    if (r == 1 || cost < least) {
      least = cost;
      best = {r, c};
    }
  }
  return best;
}

struct contract_tag {};

template <class Epilogue> concept epilogue_of_tile_rows = requires(Epilogue const& e, std::ptrdiff_t at) { e.start(at, at, at); };

// Hands the valid part of a finished tile to the epilogue.
template <int TileRows, int TileColumns, bool Ragged, class T, class Epilogue>
FORMWORK_INLINE void finish_tile(Epilogue const& epilogue, std::ptrdiff_t batch, std::ptrdiff_t row, int rows,
                                 std::ptrdiff_t column, int width, const T* tile) {
  constexpr int lanes = native_width<T>;
  for (int y = 0; y < rows; ++y, tile += TileColumns) {
    const auto each = [&](auto&... started) __attribute__((always_inline)) {
      int x = 0;
      for (; x + lanes <= width; x += lanes)
        epilogue(batch, row + y, column + x, load_whole(tile + x), lanes, started...);
      if constexpr (Ragged)
        if (x < width) epilogue(batch, row + y, column + x, load_whole(tile + x), width - x, started...);
    };
    if constexpr (epilogue_of_tile_rows<Epilogue>) {
      auto started = epilogue.start(batch, row + y, column);
      each(started);
      epilogue.finish(started);
    } else {
      each();
    }
  }
}

// The rows, columns and k of one product that a thread is at: for each block of rows all blocks of columns, for each of
// these all of k, for each of these all panels of columns.
struct contract_position {
  work_range rows, columns;                    // of the thread
  int depth, row_limit, column_limit, depth_limit, panel;
  std::ptrdiff_t row = rows.begin, block = columns.begin, column = block;
  int k = 0;

  std::ptrdiff_t block_end() const { return std::min(block + column_limit, columns.end); }
  int rows_here() const { return static_cast<int>(std::min<std::ptrdiff_t>(row_limit, rows.end - row)); }
  int depth_here() const { return std::min(depth_limit, depth - k); }
  int panels_here() const { return static_cast<int>((block_end() - block + panel - 1) / panel); }
  int width_here() const { return static_cast<int>(std::min<std::ptrdiff_t>(panel, block_end() - column)); }
  bool done() const { return row >= rows.end || columns.begin >= columns.end; }
  void next_block() {
    column = block;
    k += depth_limit;
    if (k < depth) return;
    k = 0;
    block += column_limit;
    if (block >= columns.end) {
      block = columns.begin;
      row += row_limit;
    }
    column = block;
  }
  void next_panel() {
    column += panel;
    if (column >= block_end()) next_block();
  }
};

// The given rows and columns of one product, on the calling thread. A block of A is packed once and stays in the
// second-level cache; B passes by in packed panels of a tile's width. While one panel is computed with, the next one is
// packed, or where packing is more than copying, or done, its source asked for; so are the next block of A's, and the
// memory that the epilogue touches.
//   for rows (mc), columns (nc), k (kc):  A[mc,kc] -> packed
//     for columns (nr):                   B[kc,nr] -> packed
//       for rows (mr):                    C[mr,nr] += A[mr,kc] B[kc,nr]; after the last k: epilogue
template <class T, int TileRows, int TileVectors, bool Ragged, class A, class B, class Epilogue>
void contract_part(contract_shape const& s, A const& a, B const& b, Epilogue const& epilogue,
                   std::ptrdiff_t batch, work_range row_part, work_range column_part) {
  constexpr int lanes = native_width<T>, panel = TileVectors * lanes;
  constexpr bool is_packed = operand_in_panels<B, panel>, copies = !is_packed && operand_in_memory<B> && !B::k_contiguous;
  const int depth_limit = s.schedule.block_depth, row_limit = s.schedule.block_rows;
  const bool whole_depth = s.depth <= depth_limit;
  // Only unfinished sums need a place of bounded size.
  const int column_limit = whole_depth ? static_cast<int>(column_part.end - column_part.begin) : s.schedule.block_columns;
  T* const packed_a = static_cast<T*>(thread_scratch<contract_tag, contract_scratch_bytes<T>>());
  T* packed_b = packed_a + row_limit * depth_limit;
  T* next_b = packed_b + panel * depth_limit;
  T* const sums = next_b + panel * depth_limit;

  contract_position at{row_part, column_part, s.depth, row_limit, column_limit, depth_limit, panel};
  tile_errands<T, panel> errands;
  memory_walk ahead_a, ahead_b;
  T* tile = sums;
  bool packed = false;
  while (!at.done()) {
    const int rows = at.rows_here(), depth = at.depth_here(), width = at.width_here();
    const int tiles = (rows + TileRows - 1) / TileRows;
    const bool last = at.k + depth == s.depth;
    if (at.column == at.block) {
      pack_block<T, TileRows>(packed_a, a, batch, at.row, rows, at.k, depth);
      tile = sums;
      contract_position block = at;
      block.next_block();
      if (!block.done()) ahead_a = memory_of(a, batch, block.row, block.rows_here(), block.k, block.depth_here());
      ahead_a.cut(tiles * std::min(at.panels_here(), 2));
    }
    const T* panel_b = packed_b;
    if constexpr (is_packed) panel_b = b.address(batch, at.column, at.k);
    else if (!packed) pack_block<T, panel>(packed_b, b, batch, at.column, width, at.k, depth);
    contract_position next = at;
    next.next_panel();
    packed = copies && !next.done() && next.width_here() == panel;
    int copies_left = 0;
    if constexpr (copies) {
      if (packed) {
        errands.copy(b.address(batch, next.column, next.k), b.stride, next_b);
        copies_left = next.depth_here();
      }
    } else if (!next.done()) {
      ahead_b = memory_of(b, batch, next.column, next.width_here(), next.k, next.depth_here());
      ahead_b.cut(tiles);
    }
    const int copies_each = (copies_left + tiles - 1) / tiles;
    for (int r = 0; r < rows; r += TileRows) {
      const int valid = std::min(TileRows, rows - r);
      errands.copies = std::min(copies_each, copies_left);
      copies_left -= errands.copies;
      errands.reads = errands.writes = 0;
      // Asked for earlier, it would be gone again before it is packed.
      if (at.column + 2 * panel >= at.block_end()) ahead_a.ask(errands);
      ahead_b.ask(errands);
      if constexpr (requires { epilogue.touch(errands, batch, at.row, at.column); })
        if (last)
          for (int y = 0; y < valid; ++y) epilogue.touch(errands, batch, at.row + r + y, at.column);
      contract_tile<T, TileRows, TileVectors>(depth, packed_a + r * depth, panel_b, tile, at.k > 0, errands);
      errands.finish();
      if (last) finish_tile<TileRows, panel, Ragged>(epilogue, batch, at.row + r, valid, at.column, width, tile);
      if (!whole_depth) tile += TileRows * panel;
    }
    at = next;
    std::swap(packed_b, next_b);
  }
}

template <class T, int TileRows, int TileVectors, bool Ragged, class A, class B, class Epilogue>
void contract_any(contract_shape const& s, A const& a, B const& b, Epilogue const& epilogue) {
  constexpr int tile_columns = TileVectors * native_width<T>;
  parallel_threads(thread_count(), [&](int thread, int threads) {
    const bool by_batch = s.batch % threads == 0 || s.batch >= 4 * threads;
    const work_range batches = by_batch ? part_of(s.batch, thread, threads) : work_range{0, s.batch};
    const contract_grid grid = by_batch ? contract_grid{1, 1} : contract_grid_for(s, threads);
    const int part = by_batch ? 0 : thread;
    if (part >= grid.rows * grid.columns) return;
    // Parts are whole tiles.
    const auto cut = [](int extent, int unit, int index, int parts) {
      const work_range r = part_of((extent + unit - 1) / unit, index, parts);
      return work_range{r.begin * unit, std::min<std::ptrdiff_t>(r.end * unit, extent)};
    };
    const work_range rows = cut(s.rows, TileRows, part / grid.columns, grid.rows);
    const work_range columns = cut(s.columns, tile_columns, part % grid.columns, grid.columns);
    for (std::ptrdiff_t n = batches.begin; n < batches.end; ++n)
      contract_part<T, TileRows, TileVectors, Ragged>(s, a, b, epilogue, n, rows, columns);
  });
}

}  // namespace detail

// C[batch][i][j] = sum over k of A(batch, i, k) B(batch, k, j), i < rows <= M, j < N, k < K; each finished
// vector of C goes to the epilogue. Sums are of type T, in blocks of K that depend on the shape alone: the
// same bits for any number of threads. Zero rows do nothing; K must be positive.
template <class T, int Batch, int M, int N, int K, contract_operand<T> A, contract_operand<T> B,
          contract_epilogue<T> Epilogue>
void contract(A const& a, B const& b, Epilogue const& epilogue, int rows = M) {
  static_assert(Batch > 0 && M > 0 && N > 0 && K > 0, "contract: every extent must be positive");
  constexpr kernels::contract_schedule schedule = kernels::contract_schedule_for(sizeof(T), M, N, K, is_panels<B>);
  constexpr bool ragged = N % native_width<T> != 0;
  static_assert(sizeof(T) * (std::size_t{schedule.block_rows} * (schedule.block_depth + schedule.block_columns) +
                             2u * schedule.tile_columns * schedule.block_depth) <= contract_scratch_bytes<T>,
                "contract: the schedule's blocks do not fit the packing buffers; lower contract_block_limits");
  detail::contract_any<T, schedule.tile_rows, schedule.tile_vectors, ragged>({Batch, rows, N, K, is_panels<B>, schedule}, a,
                                                                             b, epilogue);
}

}  // namespace formwork::cpu
