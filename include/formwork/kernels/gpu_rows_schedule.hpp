// How the `rows` skeleton is laid over the threads of a GPU.
#pragma once

namespace formwork {

struct gpu_rows_schedule {
  int vector;           // neighbouring columns of one load
  int chunks;           // vectors that a thread holds of a row
  int threads_per_row;  // a power of two
  int rows_per_block;   // at once
  long passes;          // over the columns of a row, chunks * vector * threads_per_row at a time
  long blocks;          // over the rows
  long rows_each;       // one after the other, by the same threads
};

// Elements that a thread keeps in registers: not yet tuned on a GPU; chosen so that 16 f32 values of a dozen live
// slots stay below 255 registers.
constexpr int gpu_rows_width(int instructions) { return instructions > 48 ? 4 : instructions > 24 ? 8 : 16; }

// Blocks of kernels that sum down columns: twice the multiprocessors of an H100, and the same number everywhere,
// since the order of a sum depends on it.
inline constexpr long gpu_column_blocks = 264;

constexpr gpu_rows_schedule gpu_rows_schedule_for(long rows, long columns, int vector, int instructions, bool row_reductions, bool column_reductions, bool kept) {
  const int width = gpu_rows_width(instructions);
  const long vectors = (columns + vector - 1) / vector;
  gpu_rows_schedule s{.vector = vector, .chunks = 1, .threads_per_row = 1, .rows_per_block = 1, .passes = 1, .blocks = 1, .rows_each = 1};
  const int most = row_reductions ? 512 : 128;  // without sums along the row its parts need not be in one block
  const int few = row_reductions ? 32 : most;
  while (s.threads_per_row < few && s.threads_per_row < vectors) s.threads_per_row *= 2;
  while (s.threads_per_row < most && vectors > static_cast<long>(s.threads_per_row) * (width / vector > 0 ? width / vector : 1)) s.threads_per_row *= 2;
  const long wanted = (vectors + s.threads_per_row - 1) / s.threads_per_row;
  const long room = width / vector > 0 ? width / vector : 1;
  s.chunks = static_cast<int>(wanted < room ? wanted : room);
  if (!row_reductions && s.chunks > 2) s.chunks = 2;
  s.passes = (wanted + s.chunks - 1) / s.chunks;
  s.rows_per_block = s.threads_per_row >= 128 ? 1 : 128 / s.threads_per_row;
  if (s.threads_per_row > 32 && row_reductions) s.rows_per_block = 1;  // sums across warps meet at the block's barrier
  s.blocks = (rows + s.rows_per_block - 1) / s.rows_per_block;
  if ((column_reductions || kept) && s.blocks > gpu_column_blocks) s.blocks = gpu_column_blocks;
  s.rows_each = (rows + s.blocks * s.rows_per_block - 1) / (s.blocks * s.rows_per_block);
  s.blocks = (rows + s.rows_each * s.rows_per_block - 1) / (s.rows_each * s.rows_per_block);
  return s;
}

}  // namespace formwork
