// How a matrix product C[M,N] = A[M,K] B[K,N] is laid over the blocks of a GPU: the tile of a block, how its warps or
// threads share it, and whether K is split among blocks whose partial sums a second launch adds.
#pragma once

namespace formwork {

// tensor cores on 16-bit operands or on f32 operands rounded to tf32; multiply-add units in f32 or f64
enum class gpu_products { half, tf32, plain, wide };

struct gpu_contract_schedule {
  int tile_rows, tile_columns, tile_depth;  // elements that a block holds at once
  int part_rows, part_columns;              // tensor cores: warps that share the tile; otherwise threads
  int stages;                               // tiles of depth in shared memory
  int blocks_per_multiprocessor;            // for which the registers leave room
  int efficiency;                           // per cent of the arithmetic rate that such a tile can reach
  int splits = 1;                           // of K; results depend on it and on nothing else here
  long depth_each = 0;                      // elements of K of a split, a multiple of tile_depth
  long time = 0;                            // estimated, in multiply-adds of one multiprocessor

  constexpr int threads(gpu_products what) const { return part_rows * part_columns * (what == gpu_products::half || what == gpu_products::tf32 ? 32 : 1); }
};

// The tiles to choose from, largest first. Shared memory stays within 99 KiB for each, and within half of that for the
// large ones, so that two blocks run on one multiprocessor of a consumer card. Not yet tuned on a GPU.
inline constexpr int gpu_contract_tiles = 4;
// Two products of the same rows share a tile: each has half of its columns, which for the flattest tile are twice as many.
constexpr gpu_contract_schedule gpu_contract_tile(gpu_products what, int number, int products = 1) {
  constexpr gpu_contract_schedule half[gpu_contract_tiles] = {{128, 128, 32, 2, 2, 3, 2, 100}, {128, 64, 32, 2, 2, 3, 3, 90}, {64, 64, 32, 2, 2, 4, 4, 75}, {16, 64, 64, 1, 4, 4, 4, 25}};
  constexpr gpu_contract_schedule tf32[gpu_contract_tiles] = {{128, 128, 16, 2, 2, 3, 2, 100}, {128, 64, 16, 2, 2, 3, 3, 90}, {64, 64, 16, 2, 2, 4, 4, 75}, {16, 64, 32, 1, 4, 4, 4, 25}};
  constexpr gpu_contract_schedule plain[gpu_contract_tiles] = {{128, 128, 8, 16, 16, 2, 2, 100}, {64, 64, 16, 16, 16, 2, 3, 75}, {32, 32, 16, 8, 8, 2, 8, 50}, {32, 32, 16, 8, 8, 2, 8, 50}};
  constexpr gpu_contract_schedule wide[gpu_contract_tiles] = {{64, 64, 8, 16, 16, 2, 2, 100}, {32, 32, 8, 8, 8, 2, 8, 75}, {32, 32, 8, 8, 8, 2, 8, 75}, {32, 32, 8, 8, 8, 2, 8, 75}};
  const bool flat = products == 2 && number == 3;
  switch (what) {
    case gpu_products::half: return flat ? gpu_contract_schedule{16, 128, 64, 1, 4, 3, 3, 35} : half[number];
    case gpu_products::tf32: return flat ? gpu_contract_schedule{16, 128, 32, 1, 4, 3, 3, 35} : tf32[number];
    case gpu_products::plain: return plain[number];
    default: return wide[number];
  }
}

// The machine of the estimate, an H100: only ratios matter, and they are the same everywhere, since the order of a sum
// depends on the splits.
struct gpu_contract_machine {
  long multiprocessors = 132;
  long start;      // multiply-adds in the time that a block takes to begin and to end, about 1 us
  long launch;     // in the time of one more launch, about 3 us
  long per_64;     // in the time that all multiprocessors together move 64 bytes
};
constexpr gpu_contract_machine gpu_contract_machine_for(gpu_products what) {
  switch (what) {
    case gpu_products::half: return {.start = 2'000'000, .launch = 6'000'000, .per_64 = 40};
    case gpu_products::tf32: return {.start = 1'000'000, .launch = 3'000'000, .per_64 = 20};
    case gpu_products::plain: return {.start = 200'000, .launch = 600'000, .per_64 = 4};
    default: return {.start = 100'000, .launch = 300'000, .per_64 = 2};
  }
}

inline constexpr int gpu_contract_most_splits = 64;

constexpr gpu_contract_schedule gpu_contract_schedule_for(gpu_products what, long batch, long m, long n, long k, int products = 1, int most_splits = gpu_contract_most_splits) {
  const gpu_contract_machine machine = gpu_contract_machine_for(what);
  const auto up = [](long a, long b) { return (a + b - 1) / b; };
  gpu_contract_schedule best{};
  for (int number = 0; number < gpu_contract_tiles; ++number) {
    gpu_contract_schedule s = gpu_contract_tile(what, number, products);
    const long tiles = batch * up(m, s.tile_rows) * up(n, s.tile_columns / products);
    const long partial_bytes = products * batch * m * n * (what == gpu_products::wide ? 8 : 4);
    for (int splits = 1; splits <= most_splits; ++splits) {
      s.depth_each = up(up(k, splits), s.tile_depth) * s.tile_depth;
      s.splits = static_cast<int>(up(k, s.depth_each));
      if (s.splits != splits) continue;  // the same as with fewer
      if (splits > 1 && s.depth_each < 4 * s.tile_depth) break;
      const long each = up(tiles * splits, machine.multiprocessors);  // blocks of one multiprocessor
      const long block = (s.tile_rows * s.tile_columns * s.depth_each * 100) / s.efficiency + machine.start;
      s.time = each * block;
      if (each == 1) s.time += s.time / 4;  // nothing else runs while it waits
      if (splits > 1) s.time += machine.launch + partial_bytes * 2 * splits / 64 * machine.per_64;
      if (best.time == 0 || s.time < best.time) best = s;
    }
  }
  return best;
}

}  // namespace formwork
