// The tile sizes of a matrix product C[M,N] = A[M,K] B[K,N] on the CPU, apart from the kernel that uses them.
#pragma once

#include "../core/config.hpp"

namespace formwork::kernels {

struct contract_schedule {
  int tile_rows;      // mr: rows of C held in registers
  int tile_vectors;   // columns of C held in registers, in SIMD vectors
  int tile_columns;   // nr = tile_vectors * lanes
  int block_depth;    // kc: length of the partial sums; the only member on which the bits of C depend
  int block_rows;     // mc: rows of A packed at once, a multiple of tile_rows
  int block_columns;  // nc: columns of unfinished sums kept at once when k has several blocks
};

namespace detail {

// The size, a multiple of `unit` and about at most `limit`, that cuts `extent` into equal blocks.
constexpr int equal_blocks(int extent, int limit, int unit) {
  const int blocks = (extent + limit - 1) / limit;
  const int each = (extent + blocks - 1) / blocks;
  return (each + unit - 1) / unit * unit;
}

}  // namespace detail

// Upper bounds of the blocks, in elements.
// Found on a Sapphire Rapids server core (48 KiB L1, 2 MiB L2, L3 only twice as fast as memory), f32, by building with
// other limits and comparing call by call: the register tile runs as fast with panels of depth 768 from the L2 as with
// panels in the L1. Wide results want the deepest blocks, which have the fewest unfinished sums. Narrow ones compute
// little with each packed element, and want panels that are packed, and read, within the L1; not so where K is no more
// than two short blocks. Where B was packed beforehand, deep blocks of few rows serve all. bench/contract has shapes of
// each kind.
struct contract_limits {
  int packed;   // block_rows * block_depth: the part of A that stays in the second-level cache
  int depth, rows, columns;
};
inline constexpr int contract_narrow_columns = 1024, contract_narrow_depth = 128;
constexpr contract_limits contract_block_limits(int element_bytes) {
  return {.packed = 4 * 256 * 768 / element_bytes, .depth = 768, .rows = 256, .columns = 4 * 768 / element_bytes};
}

// Register tiles: the accumulators, one row of B and a broadcast of A fit the register file, and the
// multiply-adds outnumber the loads.
//   64-byte vectors, 32 registers: 8 x 3 accumulators + 3 + 1
//   32-byte vectors, 16 registers: 4 x 3 accumulators + 3 + 1
//   16-byte vectors, 16 registers: 4 x 2 accumulators + 2 + 1 + 1 (no fused multiply-add: one product)
// packed: B was, beforehand.
constexpr contract_schedule contract_schedule_for(int element_bytes, int m, int n, int k, bool packed = false,
                                                  int vector_bytes = FORMWORK_VECTOR_BYTES) {
  const int lanes = vector_bytes / element_bytes;
  const int rows = vector_bytes == 64 ? 8 : 4;
  const int vectors = vector_bytes == 16 ? 2 : 3;
  const contract_limits limits = contract_block_limits(element_bytes);
  const bool deep = packed && k > limits.depth, narrow = !packed && n <= contract_narrow_columns && k >= 2 * contract_narrow_depth;
  const int block_rows = detail::equal_blocks(m, deep ? limits.rows / 2 : limits.rows, rows);
  const int most = deep ? 2 * limits.depth : narrow ? contract_narrow_depth : limits.depth;
  const int depth = limits.packed / block_rows < most ? limits.packed / block_rows : most;
  const int block_depth = detail::equal_blocks(k, depth, 1);
  return {.tile_rows = rows,
          .tile_vectors = vectors,
          .tile_columns = vectors * lanes,
          .block_depth = block_depth,
          .block_rows = block_rows,
          .block_columns = detail::equal_blocks(n, limits.columns, vectors * lanes)};
}

}  // namespace formwork::kernels
