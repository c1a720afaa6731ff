// The sums of a block's tile: by tensor cores from a pipeline of copies, or by multiply-add units. Each leaves them in
// the registers of its threads; store<Pass> writes the rows of one pass to shared memory, from which the epilogue takes
// them in the order of memory.
#pragma once

#include "../../kernels/gpu_contract_schedule.hpp"
#include "contract_prologue.hpp"

namespace formwork::gpu::detail {

// Staged row s of pass p is the tile's row s / run * apart + p * run + s % run.
struct staged_rows {
  int passes, rows, run, apart;
};

// The number of sums that lie between a row of the stage and the next: eight more than its columns, so that the rows
// of a fragment lie in different banks.
template <int Columns> inline constexpr int staged_pitch = Columns + 8;

// Product: what multiply_add takes.
template <class Product, class A, class B, class Schedule> struct tensor_sums {
  using T = float;
  static constexpr gpu_contract_schedule S = Schedule::value;
  static constexpr int warps_m = S.part_rows, warps_n = S.part_columns, threads = warps_m * warps_n * warp;
  static constexpr int warp_rows = S.tile_rows / warps_m, warp_columns = S.tile_columns / warps_n;
  static constexpr int rows = warp_rows / 16, columns = warp_columns / 8;  // fragments
  static_assert(warp_rows % 16 == 0 && warp_columns % 16 == 0);
  using a_tile = tensor_tile<A, S.tile_rows, S.tile_depth, threads>;
  using b_tile = tensor_tile<B, S.tile_columns, S.tile_depth, threads>;
  static constexpr int steps = S.tile_depth / mma_depth<Product>;
  static constexpr bool computes = A::computed || B::computed, copies = !A::computed || !B::computed;
  static constexpr int stages = copies ? S.stages : 2;  // what is computed is one tile ahead
  static constexpr int stage_bytes = a_tile::bytes + b_tile::bytes, bytes = stages * stage_bytes;

  static constexpr int pitch = staged_pitch<S.tile_columns>;
  static constexpr staged_rows make_stage() {
    int f = rows;  // fragments of each warp in a pass: as many as fit the memory of the pipeline
    while (f > 1 && warps_m * f * 16 * pitch * static_cast<int>(sizeof(float)) > bytes) f /= 2;
    return {rows / f, warps_m * f * 16, f * 16, warp_rows};
  }
  static constexpr staged_rows stage = make_stage();

  static constexpr bool crowded = false;
  static constexpr int blocks_per_multiprocessor = S.blocks_per_multiprocessor;
  float sum[rows][columns][4];

  template <class Lane, class Context> FORMWORK_DEVICE void run(Lane const& lane, Context const& a, long batch, long row, long column, long k, int tiles) {
    FORMWORK_UNROLL
    for (int i = 0; i < rows; ++i)
      FORMWORK_UNROLL
      for (int j = 0; j < columns; ++j)
        FORMWORK_UNROLL
        for (int e = 0; e < 4; ++e) sum[i][j][e] = 0;
    typename a_tile::units from_a(a, lane.thread(), batch, row, k);
    typename b_tile::units from_b(a, lane.thread(), batch, column, k);
    std::byte* const shared = lane.shared();
    FORMWORK_UNROLL
    for (int s = 0; s < stages - 1; ++s) copy(lane, shared + s * stage_bytes, from_a, from_b, s < tiles);
    [[maybe_unused]] next_tile<a_tile, b_tile, steps> next;
    if constexpr (computes) {
      FORMWORK_UNROLL
      for (int kk = 0; kk < steps; ++kk) {
        next.load(a, from_a, from_b, kk);
        next.finish(a, from_a, from_b, kk, shared);
      }
    }
    const int number = lane.thread() / warp;
    const int begin_a = a_tile::template begin<true, warp_rows>(lane, number / warps_n * warp_rows);
    const int begin_b = b_tile::template begin<false, warp_columns>(lane, number % warps_n * warp_columns);
    int reading = 0, writing = bytes - stage_bytes;  // where these stages begin
    if constexpr (computes) {
      FORMWORK_KEEP_LOOP
      for (int tile = 0; tile < tiles; ++tile) {
        const bool more = tile + 1 < tiles;
        if constexpr (copies) lane.template copy_wait<stages - 2>();
        lane.sync();  // this tile is there for all, and the one before it has been read by all
        copy(lane, shared + writing, from_a, from_b, tile + stages - 1 < tiles);
        if constexpr (A::computed) from_a.next();
        if constexpr (B::computed) from_b.next();
        FORMWORK_UNROLL
        for (int kk = 0; kk < steps; ++kk) {
          fragments now;
          if (more) next.load(a, from_a, from_b, kk);
          load(lane, now, shared + reading, begin_a, begin_b, kk);
          multiply(lane, now);
          if (more) next.finish(a, from_a, from_b, kk, shared + after(reading));
        }
        writing = reading;
        reading = after(reading);
      }
    } else {
      // While the fragments of a step are multiplied, those of the next one are loaded, across tiles too.
      fragments now[2];
      lane.template copy_wait<stages - 2>();
      lane.sync();  // the first tile is there for all
      load(lane, now[0], shared, begin_a, begin_b, 0);
      FORMWORK_KEEP_LOOP
      for (int tile = 1; tile < tiles; ++tile) {
        copy(lane, shared + writing, from_a, from_b, tile + stages - 2 < tiles);
        first_steps(lane, now, shared + reading, begin_a, begin_b);
        lane.template copy_wait<stages - 2>();
        lane.sync();  // the next tile is there for all, and this one has been read by all
        writing = reading;
        reading = after(reading);
        load(lane, now[0], shared + reading, begin_a, begin_b, 0);
        multiply(lane, now[1]);
      }
      first_steps(lane, now, shared + reading, begin_a, begin_b);
      multiply(lane, now[1]);
    }
  }

  template <int Pass, class Lane> FORMWORK_DEVICE void store(Lane const& lane, float* to) const {
    constexpr int f = stage.run / 16;
    const int g = lane.thread() % warp / 4, t = lane.thread() % 4, number = lane.thread() / warp;
    float* first = to + (number / warps_n * stage.run + g) * pitch + number % warps_n * warp_columns + 2 * t;
    FORMWORK_UNROLL
    for (int i = 0; i < f; ++i)
      FORMWORK_UNROLL
      for (int j = 0; j < columns; ++j)
        FORMWORK_UNROLL
        for (int h = 0; h < 2; ++h) {
          union { float element[2]; raw<8> bits; } u{{sum[Pass * f + i][j][2 * h], sum[Pass * f + i][j][2 * h + 1]}};
          *reinterpret_cast<raw<8>*>(first + (i * 16 + h * 8) * pitch + j * 8) = u.bits;
        }
  }

 private:
  // One group of copies, empty beyond the last tile.
  template <class Lane, class FromA, class FromB> FORMWORK_DEVICE static void copy([[maybe_unused]] Lane const& lane, [[maybe_unused]] std::byte* to, [[maybe_unused]] FromA& a, [[maybe_unused]] FromB& b, bool there) {
    if (there) {
      if constexpr (!A::computed) a_tile::copy(lane, to, a);
      if constexpr (!B::computed) b_tile::copy(lane, to + a_tile::bytes, b);
      if constexpr (!A::computed) a.next();
      if constexpr (!B::computed) b.next();
    }
    if constexpr (copies) lane.copy_commit();
  }
  // The stage behind this one, in bytes.
  FORMWORK_DEVICE static int after(int begin) { return begin + stage_bytes == bytes ? 0 : begin + stage_bytes; }
  // What a warp multiplies in one step, 32 bytes of k.
  struct fragments { std::uint32_t x[rows][4], y[columns][2]; };
  // All steps of a tile but the last, whose fragments are then in now[1].
  template <class Lane> FORMWORK_DEVICE void first_steps(Lane const& lane, fragments (&now)[2], const std::byte* stage_memory, int begin_a, int begin_b) {
    static_assert(steps % 2 == 0);
    FORMWORK_UNROLL
    for (int kk = 0; kk + 1 < steps; ++kk) {
      load(lane, now[(kk + 1) % 2], stage_memory, begin_a, begin_b, kk + 1);
      multiply(lane, now[kk % 2]);
    }
  }
  template <class Lane> FORMWORK_DEVICE static void load(Lane const& lane, fragments& f, const std::byte* stage_memory, int begin_a, int begin_b, int kk) {
    FORMWORK_UNROLL
    for (int i = 0; i < rows; ++i) a_tile::template load<true>(lane, f.x[i], stage_memory, begin_a, i, kk);
    FORMWORK_UNROLL
    for (int j = 0; j < columns; j += 2) {
      std::uint32_t r[4];
      b_tile::template load<false>(lane, r, stage_memory + a_tile::bytes, begin_b, j / 2, kk);
      f.y[j][0] = r[0], f.y[j][1] = r[1], f.y[j + 1][0] = r[2], f.y[j + 1][1] = r[3];
    }
  }
  template <class Lane> FORMWORK_DEVICE void multiply(Lane const& lane, fragments const& f) {
    FORMWORK_UNROLL
    for (int i = 0; i < rows; ++i)
      FORMWORK_UNROLL
      for (int j = 0; j < columns; ++j) lane.template multiply_add<Product>(sum[i][j], f.x[i], f.y[j]);
  }
};

// Thread (y, x) of part_rows x part_columns holds groups of `group` neighbouring rows and columns, so that it reads
// 16 bytes of shared memory at a time: rows R tile_rows / row_groups + y group + g.
template <class Sum, class A, class B, class Schedule> struct plain_sums {
  using T = Sum;
  static constexpr gpu_contract_schedule S = Schedule::value;
  static constexpr int threads = S.part_rows * S.part_columns;
  static constexpr int group = 16 / static_cast<int>(sizeof(T));
  static constexpr int row_groups = S.tile_rows / S.part_rows / group, column_groups = S.tile_columns / S.part_columns / group;
  static_assert(row_groups * group * S.part_rows == S.tile_rows && column_groups * group * S.part_columns == S.tile_columns && S.stages == 2);
  using a_tile = plain_tile<T, A, S.tile_rows, S.tile_depth, threads>;
  using b_tile = plain_tile<T, B, S.tile_columns, S.tile_depth, threads>;
  static constexpr int stage_elements = a_tile::elements + b_tile::elements;
  static constexpr int bytes = 2 * stage_elements * static_cast<int>(sizeof(T));
  static constexpr int pitch = staged_pitch<S.tile_columns>;
  static constexpr staged_rows stage{row_groups, S.tile_rows / row_groups, S.tile_rows / row_groups, 0};

  static constexpr bool crowded = row_groups * column_groups * group * group * sizeof(T) >= 256;
  // 128 registers do for such a tile, but not beside operands that are computed, or that may end within a unit.
  static constexpr int blocks_per_multiprocessor = crowded && (!a_tile::all_whole || !b_tile::all_whole) ? 1 : S.blocks_per_multiprocessor;
  T sum[row_groups * group][column_groups * group];

  template <class Lane, class Context> FORMWORK_DEVICE void run(Lane const& lane, Context const& a, long batch, long row, long column, long k, int tiles) {
    FORMWORK_UNROLL
    for (int i = 0; i < row_groups * group; ++i)
      FORMWORK_UNROLL
      for (int j = 0; j < column_groups * group; ++j) sum[i][j] = 0;
    typename a_tile::units from_a(a, lane.thread(), batch, row, k);
    typename b_tile::units from_b(a, lane.thread(), batch, column, k);
    T* const shared = reinterpret_cast<T*>(lane.shared());
    typename a_tile::held x;
    typename b_tile::held y;
    a_tile::load(a, x, from_a);
    b_tile::load(a, y, from_b);
    for (int tile = 0; tile < tiles; ++tile) {
      T* const now = shared + tile % 2 * stage_elements;
      a_tile::store(a, now, x, from_a);
      b_tile::store(a, now + a_tile::elements, y, from_b);
      lane.sync();  // nobody still reads the tile before last, whose place the next one takes
      if (tile + 1 < tiles) {
        from_a.next();
        from_b.next();
        a_tile::load(a, x, from_a);
        b_tile::load(a, y, from_b);
      }
      multiply(lane, now);
    }
  }

  template <int Pass, class Lane> FORMWORK_DEVICE void store(Lane const& lane, T* to) const {
    const int ty = lane.thread() / S.part_columns, tx = lane.thread() % S.part_columns;
    FORMWORK_UNROLL
    for (int g = 0; g < group; ++g)
      FORMWORK_UNROLL
      for (int c = 0; c < column_groups; ++c) {
        union { T element[group]; raw<16> bits; } u{};
        FORMWORK_UNROLL
        for (int e = 0; e < group; ++e) u.element[e] = sum[Pass * group + g][c * group + e];
        *reinterpret_cast<raw<16>*>(to + (ty * group + g) * pitch + c * (S.tile_columns / column_groups) + tx * group) = u.bits;
      }
  }

 private:
  template <class Lane> FORMWORK_DEVICE void multiply(Lane const& lane, const T* now) {
    const int ty = lane.thread() / S.part_columns, tx = lane.thread() % S.part_columns;
    FORMWORK_UNROLL
    for (int k = 0; k < S.tile_depth; ++k) {
      T x[row_groups * group], y[column_groups * group];
      FORMWORK_UNROLL
      for (int r = 0; r < row_groups; ++r) load_run<16>(x, r * group, now + k * a_tile::pitch + r * (S.tile_rows / row_groups) + ty * group, group);
      FORMWORK_UNROLL
      for (int c = 0; c < column_groups; ++c)
        load_run<16>(y, c * group, now + a_tile::elements + k * b_tile::pitch + c * (S.tile_columns / column_groups) + tx * group, group);
      FORMWORK_UNROLL
      for (int i = 0; i < row_groups * group; ++i)
        FORMWORK_UNROLL
        for (int j = 0; j < column_groups * group; ++j) sum[i][j] = math::fma(x[i], y[j], sum[i][j]);
    }
  }
};

}  // namespace formwork::gpu::detail
