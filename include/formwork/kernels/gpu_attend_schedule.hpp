// How the `attend` skeleton is laid over the threads of a GPU. Every kernel holds a block of rows (of queries, or of
// keys where the gradients of keys and values are summed) and walks along blocks of columns (keys, or queries).
#pragma once

#include <cstddef>

namespace formwork {

struct gpu_attend_schedule {
  int warps;      // of a block, each with its own rows
  int tiles;      // of 16 rows that a warp holds
  int columns;    // of a block of columns, a multiple of 16
  int parts;      // blocks that share the width of a result, each with its part of it
  std::size_t shared_bytes;
  constexpr int rows() const { return 16 * tiles * warps; }
  constexpr int threads() const { return 32 * warps; }
};

// What one kernel keeps in shared memory.
struct gpu_attend_need {
  int row_operands;      // tiles of the block of rows
  int column_operands;   // tiles of a block of columns, all of its buffers together
  int column_numbers;    // accumulators per column
  int staged;            // matrices of accumulators, rows x (columns + 1)
};

// A row of a tile: padded by 16 bytes to an odd multiple of 16, so that eight rows lie in different banks.
constexpr int gpu_attend_row_bytes(int width, int element_bytes) { return (width * element_bytes + 31) / 32 * 32 + 16; }

constexpr std::size_t gpu_attend_shared(gpu_attend_need n, int rows, int columns, int width, int element_bytes, int accumulator_bytes) {
  const int row = gpu_attend_row_bytes(width, element_bytes);
  return static_cast<std::size_t>(n.row_operands * rows * row + n.column_operands * columns * row) +
         static_cast<std::size_t>((n.column_numbers * columns + n.staged * rows * (columns + 1)) * accumulator_bytes);
}

// What every card since compute capability 8.6 gives to one block.
inline constexpr std::size_t gpu_attend_shared_limit = 99 * 1024;

// The largest schedule that fits: tiles and columns are given up before warps. Not yet tuned on a GPU.
constexpr gpu_attend_schedule gpu_attend_schedule_for(gpu_attend_need need, gpu_attend_schedule most, long rows, long columns, int width, int element_bytes, int accumulator_bytes) {
  gpu_attend_schedule s = most;
  while (s.tiles > 1 && 16L * s.warps * (s.tiles - 1) >= rows) --s.tiles;
  while (s.warps > 1 && 16L * s.tiles * (s.warps / 2) >= rows) s.warps /= 2;
  while (s.columns > 16 && s.columns / 2 >= columns) s.columns /= 2;
  for (;;) {
    s.shared_bytes = gpu_attend_shared(need, s.rows(), s.columns, width, element_bytes, accumulator_bytes);
    if (s.shared_bytes <= gpu_attend_shared_limit) return s;
    if (s.columns > 32) s.columns /= 2;
    else if (s.tiles > 1) --s.tiles;
    else if (s.warps > 2) s.warps /= 2;
    else if (s.columns > 16) s.columns /= 2;
    else if (s.warps > 1) s.warps /= 2;
    else return s;  // one warp and 16 columns: nothing smaller
  }
}

// Whether a warp of the gradients' kernels holds two tiles of rows, which then share each fragment of the columns that is
// read, 48 instead of 72 reads for 128 products: registers hold sums of this width and, of a score that is only scaled, half
// the columns. Shared memory, not tensor cores, would be the limit with one tile (docs/cuda.md).
constexpr bool gpu_attend_pairs(long width) { return width <= 64; }

// The padded width of a head, and in how many parts the results of the key kernel are summed: two such sums of a
// quarter of 16 rows have to fit the registers.
constexpr int gpu_attend_parts(long width) { return width > 128 ? 2 : 1; }
constexpr int gpu_attend_width(long width) {
  const int unit = 16 * gpu_attend_parts(width);
  return static_cast<int>((width + unit - 1) / unit) * unit;
}

// Partial sums of the gradients of a score's tables: one for each of so many blocks, which take the query blocks in turn.
// Twice the multiprocessors of an H100, fewer where the tables are large; the order of a sum depends on it.
constexpr long gpu_attend_units(long items, std::size_t table_bytes) {
  constexpr std::size_t budget = 32u << 20;
  long units = items < 264 ? items : 264;
  if (table_bytes > 0 && static_cast<long>(budget / table_bytes) < units) units = static_cast<long>(budget / table_bytes);
  return units < 1 ? 1 : units;
}

}  // namespace formwork
