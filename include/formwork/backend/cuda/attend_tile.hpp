// Blocks of attention's operands in shared memory, and the two products that attention is made of:
//   score_product       S += A B'    A and B in shared memory, their rows along the depth
//   accumulate_product  O += P B     P in registers, as score_product leaves it
// Accumulators lie as tensor cores leave them (lane.hpp), whatever computes them: element 2 r + e of tile (m, j) of a warp
// is row 16 m + 8 r + lane / 4, column 8 j + 2 (lane % 4) + e.
#pragma once

#include "../../kernels/gpu_attend_schedule.hpp"
#include "tape_elements.hpp"

namespace formwork::gpu {

template <class T, int Tiles, int Columns> struct fragment {
  static constexpr int tiles = Tiles, columns = Columns, runs = Columns / 8;
  T x[Tiles][Columns / 8][4];
  FORMWORK_DEVICE void clear() {
    FORMWORK_UNROLL
    for (int m = 0; m < Tiles; ++m) {
      FORMWORK_UNROLL
      for (int j = 0; j < runs; ++j) {
        FORMWORK_UNROLL
        for (int i = 0; i < 4; ++i) x[m][j][i] = T(0);
      }
    }
  }
};

namespace detail {

// How products of an element type are computed: by tensor cores that take `mma`, or (void) element by element.
template <class Stored, f32_products Products> struct attend_operand { using mma = Stored; };
template <> struct attend_operand<float, f32_products::tf32> { using mma = tf32; };
template <> struct attend_operand<float, f32_products::exact> { using mma = void; };
template <f32_products Products> struct attend_operand<double, Products> { using mma = void; };

// Rows of Width elements in shared memory.
template <class Stored, int Width> struct attend_rows {
  using stored = Stored;
  static constexpr int width = Width, row_bytes = gpu_attend_row_bytes(Width, static_cast<int>(sizeof(Stored)));
  static constexpr int bytes(int rows) { return rows * row_bytes; }
};

// Bytes of one copy of an operand's row.
template <class Argument, int Width> constexpr int attend_copy_bytes() {
  constexpr long size = static_cast<long>(size_of(Argument::type));
  for (long c = 16; c >= 4 && c >= size; c /= 2) {
    bool fits = Argument::alignment % c == 0 && Width * size % c == 0;
    for (int i = 0; i < Argument::row::rank; ++i) fits = fits && (Argument::row::extent(i) == 1 || Argument::row::stride(i) * size % c == 0);
    if (fits) return static_cast<int>(c);
  }
  return 0;
}

template <class Argument> FORMWORK_DEVICE auto attend_head(void* base, long batch, long head) {
  return static_cast<element_t<Argument::type>*>(base) + batch * Argument::row::stride(0) + head * Argument::row::stride(2);
}

// Rows [first, first + Rows) of a head to shared memory, zeros from row End and column Width on; `first` is a multiple of
// Rows. Lands later.
template <class Argument, class Shared, int Width, int Rows, int Threads, int End, class Lane>
FORMWORK_DEVICE void attend_copy(Lane const& lane, std::byte* to, const element_t<Argument::type>* head, int first) {
  using stored = element_t<Argument::type>;
  constexpr int wide = attend_copy_bytes<Argument, Width>();
  constexpr int bytes = wide > 0 ? wide : static_cast<int>(sizeof(stored)), each = bytes / static_cast<int>(sizeof(stored));
  constexpr int per_row = Shared::width / each, total = Rows * per_row;
  constexpr bool all = End % Rows == 0 && Width == Shared::width;
  if constexpr (wide > 0 && Threads % per_row == 0) {  // a thread keeps its column, and what it adds to `first` is constant
    constexpr int apart = Threads / per_row;
    const int row = lane.thread() / per_row, column = lane.thread() % per_row * each;
    const stored* from = head + (row * Argument::row::stride(1) + column) + first * Argument::row::stride(1);
    std::byte* place = to + row * Shared::row_bytes + column * static_cast<int>(sizeof(stored));
    FORMWORK_UNROLL
    for (int k = 0; k < Rows; k += apart)
      if (Rows % apart == 0 || row + k < Rows)
        lane.template copy_async<bytes>(place + k * Shared::row_bytes, from + k * Argument::row::stride(1), all || (first + row + k < End && column < Width) ? bytes : 0);
  } else if constexpr (wide > 0 && per_row % Threads == 0) {  // and here, too, in all parts of a row
    const int column = lane.thread() * each;
    const stored* from = head + first * Argument::row::stride(1) + column;
    std::byte* place = to + column * static_cast<int>(sizeof(stored));
    FORMWORK_UNROLL
    for (int k = 0; k < Rows; ++k)
      FORMWORK_UNROLL
      for (int part = 0; part < Shared::width; part += Threads * each)
        lane.template copy_async<bytes>(place + k * Shared::row_bytes + part * static_cast<int>(sizeof(stored)), from + k * Argument::row::stride(1) + part,
                                        all || (first + k < End && column + part < Width) ? bytes : 0);
  } else {
    const auto one = [&](int k) {
      const int i = k * Threads + lane.thread(), row = i / per_row, column = i % per_row * each;
      if (total % Threads == 0 || i < total) {
        const bool there = all || (first + row < End && column < Width);
        const stored* from = there ? head + (first + row) * Argument::row::stride(1) + column : head;
        std::byte* place = to + row * Shared::row_bytes + column * static_cast<int>(sizeof(stored));
        if constexpr (wide > 0) lane.template copy_async<bytes>(place, from, there ? bytes : 0);
        else *reinterpret_cast<stored*>(place) = there ? *from : stored(0.f);
      }
    };
    constexpr int count = (total + Threads - 1) / Threads;
    if constexpr (count <= 16) {
      FORMWORK_UNROLL
      for (int k = 0; k < count; ++k) one(k);
    } else {  // what is known of each copy before a loop would fill the registers
      FORMWORK_KEEP_LOOP
      for (int k = 0; k < count; ++k) one(k);
    }
  }
}

template <class Operand> FORMWORK_DEVICE void round_operands(std::uint32_t (&r)[4]) {
  if constexpr (std::same_as<Operand, tf32>) {
    FORMWORK_UNROLL
    for (int i = 0; i < 4; ++i) r[i] = round_to_tf32(r[i]);
  }
}

template <class Operand> FORMWORK_DEVICE std::uint32_t pack_pair(float low, float high) {
  return static_cast<std::uint32_t>(Operand(low).bits) | static_cast<std::uint32_t>(Operand(high).bits) << 16;
}

// Elements of one row of shared memory that one instruction reads.
template <class T, int Count> FORMWORK_DEVICE void read_row(T (&to)[Count], const std::byte* from) {
  load_run<Count * static_cast<int>(sizeof(T))>(to, 0, reinterpret_cast<const T*>(from), Count);
}

}  // namespace detail

// S += A B', where A is the warp's rows: row r of tile m is row 16 m + r of `a`.
template <class Operand, class Shared, class T, int Tiles, int Columns, class Lane>
FORMWORK_DEVICE void score_product(Lane const& lane, fragment<T, Tiles, Columns>& s, const std::byte* a, const std::byte* b) {
  constexpr int row = Shared::row_bytes;
  const int l = lane.thread() % warp;
  if constexpr (!std::is_void_v<Operand>) {
    const std::byte* pa = a + l % 16 * row + l / 16 * 16;
    const std::byte* pb = b + (l % 8 + l / 16 * 8) * row + l / 8 % 2 * 16;
    FORMWORK_UNROLL
    for (int step = 0; step < Shared::width / mma_depth<Operand>; ++step) {
      std::uint32_t ra[Tiles][4];
      FORMWORK_UNROLL
      for (int m = 0; m < Tiles; ++m) {
        lane.load_matrices(ra[m], pa + m * 16 * row + step * 32);
        detail::round_operands<Operand>(ra[m]);
      }
      FORMWORK_UNROLL
      for (int j = 0; j < Columns / 16; ++j) {
        std::uint32_t rb[4];
        lane.load_matrices(rb, pb + j * 16 * row + step * 32);
        detail::round_operands<Operand>(rb);
        const std::uint32_t low[2] = {rb[0], rb[1]}, high[2] = {rb[2], rb[3]};
        FORMWORK_UNROLL
        for (int m = 0; m < Tiles; ++m) {
          lane.template multiply_add<Operand>(s.x[m][2 * j], ra[m], low);
          lane.template multiply_add<Operand>(s.x[m][2 * j + 1], ra[m], high);
        }
      }
    }
  } else {
    constexpr int vector = 16 / static_cast<int>(sizeof(T));
    const std::byte* pa = a + l / 4 * row;
    const std::byte* pb = b + 2 * (l % 4) * row;
    for (int d = 0; d < Shared::width; d += vector) {
      T ra[2 * Tiles][vector];
      FORMWORK_UNROLL
      for (int r = 0; r < 2 * Tiles; ++r) detail::read_row(ra[r], pa + 8 * r * row + d * static_cast<int>(sizeof(T)));
      FORMWORK_UNROLL
      for (int j = 0; j < Columns / 8; ++j) {
        FORMWORK_UNROLL
        for (int e = 0; e < 2; ++e) {
          T rb[vector];
          detail::read_row(rb, pb + (8 * j + e) * row + d * static_cast<int>(sizeof(T)));
          FORMWORK_UNROLL
          for (int r = 0; r < 2 * Tiles; ++r) {
            FORMWORK_UNROLL
            for (int v = 0; v < vector; ++v) s.x[r / 2][j][2 * (r % 2) + e] = math::fma(ra[r][v], rb[v], s.x[r / 2][j][2 * (r % 2) + e]);
          }
        }
      }
    }
  }
}

// O += P B for 16 columns of P, from 16 `step` on; row k of `b` is column k of P, and O's columns begin at column `first` of b's
// rows.
template <class Operand, class Shared, class T, int Tiles, int Depth, int Width, class Lane>
FORMWORK_DEVICE void accumulate_step(Lane const& lane, fragment<T, Tiles, Width>& o, fragment<T, Tiles, Depth> const& p, const std::byte* b, int first, int step) {
  constexpr int row = Shared::row_bytes;
  const int l = lane.thread() % warp;
  if constexpr (std::same_as<Operand, tf32>) {
    // Column t of the instruction's A is column 2 t of P, column t + 4 is column 2 t + 1: so they lie in P's registers.
    const float* pb = reinterpret_cast<const float*>(b + 2 * (l % 4) * row) + first + l / 4;
    constexpr int stride = row / 4;
    FORMWORK_UNROLL
    for (int k = 2 * step; k < 2 * step + 2; ++k) {
      std::uint32_t ra[Tiles][4];
      FORMWORK_UNROLL
      for (int m = 0; m < Tiles; ++m) {
        constexpr int order[4] = {0, 2, 1, 3};
        FORMWORK_UNROLL
        for (int i = 0; i < 4; ++i) ra[m][i] = std::bit_cast<std::uint32_t>(p.x[m][k][order[i]]);
        detail::round_operands<Operand>(ra[m]);
      }
      FORMWORK_UNROLL
      for (int j = 0; j < Width / 8; ++j) {
        const float* q = pb + 8 * k * stride + 8 * j;
        const std::uint32_t rb[2] = {round_to_tf32(std::bit_cast<std::uint32_t>(q[0])), round_to_tf32(std::bit_cast<std::uint32_t>(q[stride]))};
        FORMWORK_UNROLL
        for (int m = 0; m < Tiles; ++m) lane.template multiply_add<Operand>(o.x[m][j], ra[m], rb);
      }
    }
  } else if constexpr (!std::is_void_v<Operand>) {
    const std::byte* pb = b + l % 16 * row + (first + l / 16 * 8) * 2;
    std::uint32_t ra[Tiles][4];
    FORMWORK_UNROLL
    for (int m = 0; m < Tiles; ++m) {
      FORMWORK_UNROLL
      for (int i = 0; i < 4; ++i) ra[m][i] = detail::pack_pair<Operand>(p.x[m][2 * step + i / 2][2 * (i % 2)], p.x[m][2 * step + i / 2][2 * (i % 2) + 1]);
    }
    FORMWORK_UNROLL
    for (int j = 0; j < Width / 16; ++j) {
      std::uint32_t rb[4];
      lane.load_matrices_transposed(rb, pb + step * 16 * row + j * 32);
      const std::uint32_t low[2] = {rb[0], rb[1]}, high[2] = {rb[2], rb[3]};
      FORMWORK_UNROLL
      for (int m = 0; m < Tiles; ++m) {
        lane.template multiply_add<Operand>(o.x[m][2 * j], ra[m], low);
        lane.template multiply_add<Operand>(o.x[m][2 * j + 1], ra[m], high);
      }
    }
  } else {
    const std::byte* pb = b + (first + 2 * (l % 4)) * static_cast<int>(sizeof(T));
    FORMWORK_UNROLL
    for (int k = 16 * step; k < 16 * step + 16; ++k) {  // the lane of the same rows that holds column k
      T ra[2 * Tiles];
      FORMWORK_UNROLL
      for (int r = 0; r < 2 * Tiles; ++r) ra[r] = lane.shuffle(p.x[r / 2][k / 8][2 * (r % 2) + k % 2], l / 4 * 4 + k % 8 / 2);
      FORMWORK_UNROLL
      for (int j = 0; j < Width / 8; ++j) {
        T rb[2];
        detail::read_row(rb, pb + k * row + 8 * j * static_cast<int>(sizeof(T)));
        FORMWORK_UNROLL
        for (int r = 0; r < 2 * Tiles; ++r) {
          FORMWORK_UNROLL
          for (int e = 0; e < 2; ++e) o.x[r / 2][j][2 * (r % 2) + e] = math::fma(ra[r], rb[e], o.x[r / 2][j][2 * (r % 2) + e]);
        }
      }
    }
  }
}

// All of them.
template <class Operand, class Shared, class T, int Tiles, int Depth, int Width, class Lane>
FORMWORK_DEVICE void accumulate_product(Lane const& lane, fragment<T, Tiles, Width>& o, fragment<T, Tiles, Depth> const& p, const std::byte* b, int first) {
  FORMWORK_UNROLL
  for (int step = 0; step < Depth / 16; ++step) accumulate_step<Operand, Shared>(lane, o, p, b, first, step);
}

// Sum over the lanes that hold a row, in all of them; and the largest.
template <class T, class Lane> FORMWORK_DEVICE T row_sum(Lane const& lane, T x) {
  x += lane.shuffle_xor(x, 1);
  return x + lane.shuffle_xor(x, 2);
}
template <class T, class Lane> FORMWORK_DEVICE T row_maximum(Lane const& lane, T x) {
  x = math::max(x, lane.shuffle_xor(x, 1));
  return math::max(x, lane.shuffle_xor(x, 2));
}

// Tile rows times factor[row] to a head's rows [first, end), columns [column, Width).
template <class Argument, int Width, class T, int Tiles, int Columns, class Lane>
FORMWORK_DEVICE void attend_store(Lane const& lane, fragment<T, Tiles, Columns> const& o, T const (&factor)[Tiles][2], element_t<Argument::type>* head, int first, int end, int column) {
  using stored = element_t<Argument::type>;
  constexpr int wide = detail::attend_copy_bytes<Argument, Width>(), pair = 2 * static_cast<int>(sizeof(stored));
  const int l = lane.thread() % warp;
  FORMWORK_UNROLL
  for (int m = 0; m < Tiles; ++m) {
    FORMWORK_UNROLL
    for (int r = 0; r < 2; ++r) {
      const int row = first + 16 * m + 8 * r + l / 4;
      if (row < end) {
        stored* to = head + row * Argument::row::stride(1);
        FORMWORK_UNROLL
        for (int j = 0; j < Columns / 8; ++j) {
          const int c = column + 8 * j + 2 * (l % 4);
          const T x[2] = {o.x[m][j][2 * r] * factor[m][r], o.x[m][j][2 * r + 1] * factor[m][r]};
          if constexpr (wide >= pair && wide > 0) {
            if (c < Width) {
              union { detail::raw<pair> bits; stored element[2]; } u{};
              u.element[0] = static_cast<stored>(x[0]);
              u.element[1] = static_cast<stored>(x[1]);
              *reinterpret_cast<detail::raw<pair>*>(to + c) = u.bits;
            }
          } else {
            if (c < Width) to[c] = static_cast<stored>(x[0]);
            if (c + 1 < Width) to[c + 1] = static_cast<stored>(x[1]);
          }
        }
      }
    }
  }
}

// The same with one factor for all rows.
template <class Argument, int Width, class T, int Tiles, int Columns, class Lane>
FORMWORK_DEVICE void attend_store(Lane const& lane, fragment<T, Tiles, Columns> const& o, T factor, element_t<Argument::type>* head, int first, int end, int column) {
  T factors[Tiles][2];
  FORMWORK_UNROLL
  for (int m = 0; m < 2 * Tiles; ++m) factors[m / 2][m % 2] = factor;
  attend_store<Argument, Width>(lane, o, factors, head, first, end, column);
}

}  // namespace formwork::gpu
