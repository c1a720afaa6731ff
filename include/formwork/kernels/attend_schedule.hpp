// Tile sizes of the `attend` skeleton on the CPU. They change the speed and the order of additions over
// keys, never what is computed.
#pragma once

#include <cstddef>

#include "../core/config.hpp"

namespace formwork {

struct attend_schedule {
  int queries;             // most lanes of a score block; the transposed query block is width x queries
  int short_queries;       // lanes of a score block of a sequence of few blocks
  int keys;                // rows of a score block
  int resident;            // elements of the transposed query blocks that share one copy of a block of keys
  int strip;               // partly visible blocks are trimmed at both ends in strips of so many keys
  int backward_segment;    // keys of one task where the backward pass is split over keys
  int backward_tasks;      // with fewer (batch, group) pairs the backward pass is split over keys
  int accumulators;        // instances of a score's gradient accumulators
  int tile_vectors;        // registers of one row of a product's register tile
  int tile_registers;      // accumulators of a product's register tile
};

// Measured with bench/attend on 2 cores of an Intel Sapphire Rapids (48 KiB L1, 2 MiB L2), AVX-512, f32.
constexpr attend_schedule attend_schedule_for(std::size_t element_bytes) {
  bool wide = FORMWORK_VECTOR_BYTES == 64;           // 32 registers with AVX-512, 16 below
  return {.queries = 64,
          .short_queries = 32,
          .keys = element_bytes == 4 ? 96 : 48,
          .resident = 16 * 1024,
          .strip = 16,
          .backward_segment = 192,
          .backward_tasks = 8,
          .accumulators = 16,
          .tile_vectors = wide ? 4 : 2,
          .tile_registers = wide ? 24 : 12};
}

// Lanes of a score block. A causal mask leaves half of a block on the diagonal to no use: with 128 queries a third of all
// scores in blocks of 64, a fifth in blocks of 32. bench/attend, both passes: 0.80 to 0.92 of the time at 16 x 4 x 128 x 32,
// 0.96 at 8 x 6 x 256 x 64; longer sequences have few blocks on the diagonal, and reuse keys more in blocks of 64.
constexpr int attend_queries(attend_schedule s, int queries) { return queries <= 4 * s.queries ? s.short_queries : s.queries; }

// Query blocks of one task, at most 4.
constexpr int attend_query_blocks(attend_schedule s, int queries, int width) {
  int blocks = s.resident / (queries * width);
  return blocks < 1 ? 1 : blocks > 4 ? 4 : blocks;
}

}  // namespace formwork
