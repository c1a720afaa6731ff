// The skeleton `contract` on the CPU: a batched matrix product with work fused before it, on either operand,
// and after it, on each finished vector of the result.
#pragma once

#include <algorithm>
#include <cstddef>

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
  return sizeof(T) * (limits.packed + limits.group + slack * limits.depth * 2 +
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

// The given rows and columns of one product, on the calling thread. A block of A is packed once and stays in
// the second-level cache; B passes by in groups of a few tiles' width, each packed just before its use from
// memory asked for while the group before it was computed.
//   for rows (mc), columns (nc), k (kc):  A[mc,kc] -> packed
//     for columns (group):                B[kc,group] -> packed
//       for columns (nr), rows (mr):      C[mr,nr] += A[mr,kc] B[kc,nr]; after the last k: epilogue
template <class T, int TileRows, int TileVectors, bool Ragged, class A, class B, class Epilogue>
void contract_part(contract_shape const& s, A const& a, B const& b, Epilogue const& epilogue,
                   std::ptrdiff_t batch, work_range row_part, work_range column_part) {
  constexpr int lanes = native_width<T>, tile_columns = TileVectors * lanes;
  const int depth_limit = s.schedule.block_depth, row_limit = s.schedule.block_rows;
  const int group_limit = s.schedule.group_columns;
  const bool whole_depth = s.depth <= depth_limit;
  // Only unfinished sums need a place of bounded size.
  const std::ptrdiff_t column_limit = whole_depth ? column_part.end - column_part.begin : s.schedule.block_columns;
  T* const packed_a = static_cast<T*>(thread_scratch<contract_tag, contract_scratch_bytes<T>>());
  T* const packed_b = packed_a + row_limit * depth_limit;
  T* const sums = packed_b + group_limit * depth_limit;

  for (std::ptrdiff_t i = row_part.begin; i < row_part.end; i += row_limit)
    for (std::ptrdiff_t j = column_part.begin; j < column_part.end; j += column_limit) {
      const int rows = static_cast<int>(std::min<std::ptrdiff_t>(row_limit, row_part.end - i));
      const std::ptrdiff_t end = std::min(j + column_limit, column_part.end);
      for (int k = 0; k < s.depth; k += depth_limit) {
        const int depth = std::min(depth_limit, s.depth - k);
        const bool last = k + depth == s.depth;
        pack_block<T, TileRows>(packed_a, a, batch, i, rows, k, depth);
        T* tile = sums;
        for (std::ptrdiff_t g = j; g < end; g += group_limit) {
          const int group = static_cast<int>(std::min<std::ptrdiff_t>(group_limit, end - g));
          // B in rows is packed by the first tile that reads it, at no cost beside its multiply-adds.
          const int on_the_way =
              operand_in_memory<B> && !B::k_contiguous ? group / tile_columns * tile_columns : 0;
          if (on_the_way < group)
            pack_block<T, tile_columns>(packed_b + on_the_way * depth, b, batch, g + on_the_way,
                                        group - on_the_way, k, depth);
          const bool more = g + group_limit < end;
          const std::ptrdiff_t next = more ? g + group_limit : j;
          const int next_k = more ? k : last ? 0 : k + depth;
          prefetch_stream ahead =
              source_of(b, batch, next, static_cast<int>(std::min<std::ptrdiff_t>(group_limit, end - next)),
                        next_k, std::min(depth_limit, s.depth - next_k));
          for (int c = 0; c < group; c += tile_columns)
            for (int r = 0; r < rows; r += TileRows) {
              // What the epilogue touches is on its way while the sums are made.
              if constexpr (requires { epilogue.prefetch(batch, i, g); })
                if (last)
                  for (int y = 0; y < std::min(TileRows, rows - r); ++y)
                    for (int x = 0; x < tile_columns; x += lanes) epilogue.prefetch(batch, i + r + y, g + c + x);
              T* const panel = packed_b + c * depth;
              bool packed = true;
              if constexpr (operand_in_memory<B> && !B::k_contiguous)
                if (r == 0 && c < on_the_way) {
                  contract_tile<T, TileRows, TileVectors, true>(depth, packed_a, b.address(batch, g + c, k), b.stride,
                                                                panel, tile, k > 0, ahead);
                  packed = false;
                }
              if (packed)
                contract_tile<T, TileRows, TileVectors, false>(depth, packed_a + r * depth, panel, tile_columns,
                                                               nullptr, tile, k > 0, ahead);
              if (last)
                finish_tile<TileRows, tile_columns, Ragged>(epilogue, batch, i + r, std::min(TileRows, rows - r), g + c,
                                                            std::min(tile_columns, group - c), tile);
              if (!whole_depth) tile += TileRows * tile_columns;
            }
        }
      }
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
                             std::size_t{schedule.group_columns} * schedule.block_depth +
                             std::size_t{schedule.block_rows} * schedule.block_columns) <= contract_scratch_bytes<T>,
                "contract: the schedule's blocks do not fit the packing buffers; lower contract_block_limits");
  detail::contract_any<T, schedule.tile_rows, schedule.tile_vectors, ragged>({Batch, rows, N, K, schedule}, a, b,
                                                                             epilogue);
}

}  // namespace formwork::cpu
