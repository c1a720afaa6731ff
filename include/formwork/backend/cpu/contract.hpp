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
#include "simd.hpp"
#include "threads.hpp"

namespace formwork::cpu {

// What `contract` calls with the results: value holds C[batch][row][column ... column + count - 1] in its
// first `count` lanes. Every element arrives exactly once, from any of the threads; storing is its business.
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
};

// Bytes of packing buffers that each thread maps once, at its first product, whatever the shapes.
template <class T>
inline constexpr std::size_t contract_scratch_bytes = [] {
  constexpr auto limits = kernels::contract_block_limits(sizeof(T));
  constexpr std::size_t slack = 64;  // rounding of a block up to whole tiles
  return sizeof(T) * (limits.packed + 2 * limits.group + slack * limits.depth * 2 +
                      (limits.rows + slack) * (limits.columns + slack));
}();

namespace detail {

struct contract_shape {
  int batch, rows, columns, depth;
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
    // Cycles per k of the slowest thread: 32 multiply-adds per cycle, and about a quarter per packed element.
    const double cost = rows * columns / 32 + (rows + columns) / 4;
    if (r == 1 || cost < least) {
      least = cost;
      best = {r, c};
    }
  }
  return best;
}

struct contract_tag {};

// Hands the valid part of a finished tile to the epilogue.
template <int TileRows, int TileColumns, bool Ragged, class T, class Epilogue>
FORMWORK_INLINE void finish_tile(Epilogue const& epilogue, std::ptrdiff_t batch, std::ptrdiff_t row, int rows,
                                 std::ptrdiff_t column, int width, const T* tile) {
  constexpr int lanes = native_width<T>;
  for (int y = 0; y < rows; ++y, tile += TileColumns) {
    int x = 0;
    for (; x + lanes <= width; x += lanes)
      epilogue(batch, row + y, column + x, load_whole<pack<T, lanes>>(tile + x), lanes);
    if constexpr (Ragged)
      if (x < width) epilogue(batch, row + y, column + x, load_whole<pack<T, lanes>>(tile + x), width - x);
  }
}

// The rows, columns and k of one product that a thread is at: for each block of rows all blocks of columns, for each of
// these all of k, for each of these all groups of columns.
struct contract_position {
  work_range rows, columns;                    // of the thread
  int depth, row_limit, column_limit, depth_limit, group_limit;
  std::ptrdiff_t row = rows.begin, block = columns.begin, column = block;
  int k = 0;

  std::ptrdiff_t block_end() const { return std::min(block + column_limit, columns.end); }
  int rows_here() const { return static_cast<int>(std::min<std::ptrdiff_t>(row_limit, rows.end - row)); }
  int depth_here() const { return std::min(depth_limit, depth - k); }
  int group_here() const { return static_cast<int>(std::min<std::ptrdiff_t>(group_limit, block_end() - column)); }
  bool done() const { return row >= rows.end || columns.begin >= columns.end; }
  void advance() {
    column += group_limit;
    if (column < block_end()) return;
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
};

// The given rows and columns of one product, on the calling thread. A block of A is packed once and stays in
// the second-level cache; B passes by in groups of a few tiles' width. While one group is computed with, the next one is
// packed, or where packing is more than copying, asked for.
//   for rows (mc), columns (nc), k (kc):  A[mc,kc] -> packed
//     for columns (group):                B[kc,group] -> packed
//       for columns (nr), rows (mr):      C[mr,nr] += A[mr,kc] B[kc,nr]; after the last k: epilogue
template <class T, int TileRows, int TileVectors, bool Ragged, class A, class B, class Epilogue>
void contract_part(contract_shape const& s, A const& a, B const& b, Epilogue const& epilogue,
                   std::ptrdiff_t batch, work_range row_part, work_range column_part) {
  constexpr int lanes = native_width<T>, tile_columns = TileVectors * lanes;
  constexpr bool copies = operand_in_memory<B> && !B::k_contiguous;
  const int depth_limit = s.schedule.block_depth, row_limit = s.schedule.block_rows;
  const int group_limit = s.schedule.group_columns;
  const bool whole_depth = s.depth <= depth_limit;
  // Only unfinished sums need a place of bounded size.
  const int column_limit = whole_depth ? static_cast<int>(column_part.end - column_part.begin) : s.schedule.block_columns;
  T* const packed_a = static_cast<T*>(thread_scratch<contract_tag, contract_scratch_bytes<T>>());
  T* packed_b = packed_a + row_limit * depth_limit;
  T* next_b = packed_b + group_limit * depth_limit;
  T* const sums = next_b + group_limit * depth_limit;

  contract_position at{row_part, column_part, s.depth, row_limit, column_limit, depth_limit, group_limit};
  T* tile = sums;
  int copied = 0;  // columns of the group that are packed already
  while (!at.done()) {
    const int rows = at.rows_here(), depth = at.depth_here(), group = at.group_here();
    const bool last = at.k + depth == s.depth;
    if (at.column == at.block) {
      pack_block<T, TileRows>(packed_a, a, batch, at.row, rows, at.k, depth);
      tile = sums;
    }
    if (copied < group)
      pack_block<T, tile_columns>(packed_b + copied * depth, b, batch, at.column + copied, group - copied, at.k, depth);
    contract_position next = at;
    next.advance();
    const bool more = !next.done();
    copied = copies && more ? next.group_here() / tile_columns * tile_columns : 0;
    std::conditional_t<copies, copy_stream<T, tile_columns>, prefetch_stream> ahead;
    if constexpr (!copies)
      if (more) ahead = source_of(b, batch, next.column, next.group_here(), next.k, next.depth_here());
    for (int c = 0; c < std::max(group, copied); c += tile_columns) {
      if constexpr (copies)  // panel c of the next group while panel c of this one is computed with
        if (c < copied)
          ahead = {b.address(batch, next.column + c, next.k), b.stride, next_b + c * next.depth_here(), next.depth_here() * TileVectors};
      if (c < group)
        for (int r = 0; r < rows; r += TileRows) {
          // What the epilogue touches is on its way while the sums are made.
          if constexpr (requires { epilogue.prefetch(batch, at.row, at.column); })
            if (last)
              for (int y = 0; y < std::min(TileRows, rows - r); ++y)
                for (int x = 0; x < tile_columns; x += lanes) epilogue.prefetch(batch, at.row + r + y, at.column + c + x);
          contract_tile<T, TileRows, TileVectors>(depth, packed_a + r * depth, packed_b + c * depth, tile, at.k > 0, ahead);
          if (last)
            finish_tile<TileRows, tile_columns, Ragged>(epilogue, batch, at.row + r, std::min(TileRows, rows - r), at.column + c,
                                                        std::min(tile_columns, group - c), tile);
          if (!whole_depth) tile += TileRows * tile_columns;
        }
      if constexpr (copies) ahead.finish();
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
  constexpr kernels::contract_schedule schedule = kernels::contract_schedule_for(sizeof(T), M, N, K);
  constexpr bool ragged = N % native_width<T> != 0;
  static_assert(sizeof(T) * (std::size_t{schedule.block_rows} * schedule.block_depth +
                             2 * std::size_t{schedule.group_columns} * schedule.block_depth +
                             std::size_t{schedule.block_rows} * schedule.block_columns) <= contract_scratch_bytes<T>,
                "contract: the schedule's blocks do not fit the packing buffers; lower contract_block_limits");
  detail::contract_any<T, schedule.tile_rows, schedule.tile_vectors, ragged>({Batch, rows, N, K, schedule}, a, b,
                                                                             epilogue);
}

}  // namespace formwork::cpu
