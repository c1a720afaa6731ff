// How the `rows` skeleton is laid over the threads of a GPU.
#pragma once

#include <cstddef>

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

// Elements of `bytes` that a thread keeps in registers: not yet tuned on a GPU; chosen so that 16 f32 values of a dozen live
// slots stay below 255 registers.
constexpr int gpu_rows_width(int instructions, std::size_t bytes) { return (instructions > 48 ? 4 : instructions > 24 ? 8 : 16) / static_cast<int>(bytes / 4); }

// Blocks of kernels that sum down columns: twice the multiprocessors of an H100, and the same number everywhere,
// since the order of a sum depends on it.
inline constexpr long gpu_column_blocks = 264;

constexpr gpu_rows_schedule gpu_rows_schedule_for(long rows, long columns, int vector, int width, bool row_reductions, bool column_reductions, bool kept) {
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
  if ((column_reductions || (kept && s.passes > 1)) && s.blocks > gpu_column_blocks) s.blocks = gpu_column_blocks;
  s.rows_each = (rows + s.blocks * s.rows_per_block - 1) / (s.blocks * s.rows_per_block);
  s.blocks = (rows + s.rows_each * s.rows_per_block - 1) / (s.rows_each * s.rows_per_block);
  return s;
}

// A row that takes several passes may be split into parts, a block each, with a launch for each walk along it.
struct gpu_rows_split {
  long parts;        // of each row
  long passes_each;  // of a part, fewer of the last
};

// When that is worth it, by arithmetic from published figures; not yet measured on a GPU. A block has 512 threads * 64
// bytes = 32 KiB of an operand in flight and waits for them in each pass, about 0.8 us: 40 GB/s, so that R rows take the
// longer of 0.8 us a pass and what the memory takes for them, 0.010 R us on an H100 (3.35 TB/s), 0.021 R on an A100. Split,
// only the latter counts, but each stage costs about 3 us more: a launch (2 us) and the sums of the parts before (1 us).
// One row saves that from 4 passes on, whatever the number of stages: those that depend on each other are split, too. 32
// rows save it from 7 passes on with an H100, from 25 with an A100, and smaller GPUs are then busy in any case. At 16
// passes one row of one stage takes 6 us in place of 15, 32 rows 11 in place of 15 with an H100 and 1 more than that with an
// A100.
inline constexpr long gpu_split_passes = 16, gpu_split_rows = 32;

// As many blocks as there are for column sums, two of them on each multiprocessor of an H100; so that of one row at most
// 264 numbers are left of each sum, nine for each lane of a warp.
constexpr gpu_rows_split gpu_rows_split_for(long rows, long passes) {
  if (rows > gpu_split_rows || passes < gpu_split_passes) return {.parts = 1, .passes_each = passes};
  const long most = gpu_column_blocks / rows, each = (passes + most - 1) / most;
  return {.parts = (passes + each - 1) / each, .passes_each = each};
}

}  // namespace formwork
