// Products of the small blocks that attention is made of, and their transposition. Every product of the
// forward and the backward pass is C[row][lane] (+)= sum_d A(row, d) B[d][lane], where A is read one element
// at a time from wherever it lies (so keys and values are never packed) and B and C have contiguous lanes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "../../kernels/attend_schedule.hpp"
#include "simd_shuffle.hpp"
#include "simd_tile.hpp"

namespace formwork::cpu::attention {

using detail::load_whole, detail::store_whole;
using index = std::ptrdiff_t;

template <class T> inline constexpr attend_schedule schedule = attend_schedule_for(sizeof(T));

template <class T> struct product_operands {
  const T* a; index a_row, a_depth;      // A(r, d) = a[r a_row + d a_depth]
  const T* b; index b_depth;             // B[d][lane] = b[d b_depth + lane]
  T* c; index c_row;                     // C[r][lane] = c[r c_row + lane]
  int depth;
  bool accumulate;                       // C += A B instead of C = A B
};

// Rows x Vectors registers of C; with Tail, one vector of which only `tail` lanes exist.
template <class T, int Rows, int Vectors, bool Tail>
FORMWORK_INLINE void product_tile(const product_operands<T>& o, int row, int tail) {
  constexpr int W = native_width<T>;
  using vector = pack<T, W>;
  vector sum[Rows][Vectors];
  FORMWORK_UNROLL_HOST
  for (int r = 0; r < Rows; ++r)
    FORMWORK_UNROLL_HOST
    for (int v = 0; v < Vectors; ++v) sum[r][v] = vector(T(0));
  const T* a = o.a + row * o.a_row;
  const T* b = o.b;
  const index a_row = o.a_row, a_depth = o.a_depth, b_depth = o.b_depth;
  for (int d = o.depth; d > 0; --d, a += a_depth, b += b_depth) {
    vector x[Vectors];
    FORMWORK_UNROLL_HOST
    for (int v = 0; v < Vectors; ++v) {
      if constexpr (Tail) x[v] = vector::load(b, tail);
      else x[v] = load_whole(b + v * W);
    }
    FORMWORK_UNROLL_HOST
    for (int r = 0; r < Rows; ++r) {
      const vector y = detail::broadcast(a[r * a_row]);
      FORMWORK_UNROLL_HOST
      for (int v = 0; v < Vectors; ++v) sum[r][v] = fma(y, x[v], sum[r][v]);
      detail::keep(y);
    }
    FORMWORK_UNROLL_HOST
    for (int v = 0; v < Vectors; ++v) detail::keep(x[v]);
  }
  FORMWORK_UNROLL_HOST
  for (int r = 0; r < Rows; ++r)
    FORMWORK_UNROLL_HOST
    for (int v = 0; v < Vectors; ++v) {
      T* c = o.c + (row + r) * o.c_row + v * W;
      if constexpr (Tail) (o.accumulate ? vector::load(c, tail) + sum[r][v] : sum[r][v]).store(c, tail);
      else store_whole(o.accumulate ? load_whole(c) + sum[r][v] : sum[r][v], c);
    }
}

// All rows of `Vectors` vectors of lanes. A remainder of one or two rows would leave the multiply-add units
// waiting for their own results, so the last full tile is then shared out evenly with it.
template <class T, int Vectors, bool Tail>
[[gnu::noinline]] FORMWORK_HIDDEN void product_rows(const product_operands<T>& o, int rows, int tail) {
  constexpr int full = std::min(8, schedule<T>.tile_registers / Vectors);
  for (int row = 0; row < rows;) {
    int left = rows - row;
    int take = left <= full ? left : left - full < 3 ? (left + 1) / 2 : full;
    switch (take) {
      case 1: product_tile<T, 1, Vectors, Tail>(o, row, tail); break;
      case 2: product_tile<T, 2, Vectors, Tail>(o, row, tail); break;
      case 3: product_tile<T, 3, Vectors, Tail>(o, row, tail); break;
      case 4: product_tile<T, 4, Vectors, Tail>(o, row, tail); break;
      case 5: product_tile<T, 5, Vectors, Tail>(o, row, tail); break;
      default:
        if constexpr (full == 8) {
          if (take == 6) product_tile<T, 6, Vectors, Tail>(o, row, tail);
          else if (take == 7) product_tile<T, 7, Vectors, Tail>(o, row, tail);
          else product_tile<T, 8, Vectors, Tail>(o, row, tail);
        } else {
          product_tile<T, full, Vectors, Tail>(o, row, tail);
        }
    }
    row += take;
  }
}

// C[rows][lanes] (+)= A B. With Tail, `lanes` may be any number; without, a multiple of the vector's width.
template <class T, bool Tail = false>
[[gnu::noinline]] FORMWORK_HIDDEN void product(product_operands<T> o, int rows, int lanes) {
  constexpr int W = native_width<T>, most = schedule<T>.tile_vectors;
  static_assert(schedule<T>.tile_registers / most == 6, "product_rows lists the rows of a tile up to 6 and 8");
  int vectors = lanes / W;
  while (vectors > 0) {
    int take = std::min(vectors, most);
    if (take == 1) product_rows<T, 1, false>(o, rows, 0);
    else if (take == 2) product_rows<T, 2, false>(o, rows, 0);
    else if constexpr (most == 4) {
      if (take == 3) product_rows<T, 3, false>(o, rows, 0);
      else product_rows<T, 4, false>(o, rows, 0);
    }
    vectors -= take;
    o.b += take * W;
    o.c += take * W;
  }
  if constexpr (Tail)
    if (int tail = lanes % W) product_rows<T, 1, true>(o, rows, tail);
}

// Rows next to each other: they are read several times, and a token stride of a few KiB would put each on a page of
// its own and all of them into a few sets of the first cache. Rows that are dense already stay where they are.
template <class T>
[[gnu::noinline]] FORMWORK_HIDDEN const T* dense_rows(const T* from, index stride, int rows, int columns, T* to) {
  constexpr int W = native_width<T>;
  if (stride == columns) return from;
  for (T* end = to + rows * columns; to < end; from += stride, to += columns) {
    int c = 0;
    for (; c + W <= columns; c += W) store_whole(load_whole(from + c), to + c);
    for (; c < columns; ++c) to[c] = from[c];
  }
  return to - rows * columns;
}

// to += from, whose rows are dense.
template <class T>
[[gnu::noinline]] FORMWORK_HIDDEN void add_rows(const T* from, int rows, int columns, T* to, index stride) {
  constexpr int W = native_width<T>;
  for (int r = 0; r < rows; ++r, from += columns, to += stride) {
    int c = 0;
    for (; c + W <= columns; c += W) store_whole(load_whole(to + c) + load_whole(from + c), to + c);
    for (; c < columns; ++c) to[c] += from[c];
  }
}

// Asks for rows that will be written later.
template <class T> FORMWORK_INLINE void prefetch_rows(T* rows, index stride, index count, int columns) {
  constexpr int line = 64 / sizeof(T);
  for (index r = 0; r < count; ++r)
    for (int c = 0; c < columns; c += line) __builtin_prefetch(rows + r * stride + c, 1, 2);
}

// Interleaving row i with row i + W/2, log2 W times, transposes a W x W block.
template <class T, int W, int... I>
FORMWORK_INLINE void interleave_rows(pack<T, W> (&x)[W], std::integer_sequence<int, I...>) {
  pack<T, W> y[W];
  FORMWORK_UNROLL_HOST
  for (int i = 0; i < W / 2; ++i) {
    y[2 * i] = shuffle<(I / 2 + I % 2 * W)...>(x[i], x[i + W / 2]);
    y[2 * i + 1] = shuffle<(W / 2 + I / 2 + I % 2 * W)...>(x[i], x[i + W / 2]);
  }
  FORMWORK_UNROLL_HOST
  for (int i = 0; i < W; ++i) x[i] = y[i];
}
template <class T, int W> FORMWORK_INLINE void transpose(pack<T, W> (&x)[W]) {
  FORMWORK_UNROLL_HOST
  for (int step = 1; step < W; step *= 2) interleave_rows(x, std::make_integer_sequence<int, W>());
}

// to[column][row] = from[row][column]; where `to` is wider, lanes from `rows` to a multiple of W become 0.
template <class T>
[[gnu::noinline]] FORMWORK_HIDDEN void transpose_in(const T* from, index stride, int rows, int columns, T* to,
                                                    index to_stride) {
  constexpr int W = native_width<T>;
  pack<T, W> x[W];
  for (int r = 0; r < rows; r += W)
    for (int c = 0; c < columns; c += W) {
      const T* p = from + r * stride + c;
      if (r + W <= rows && c + W <= columns) {
        FORMWORK_UNROLL_HOST
        for (int i = 0; i < W; ++i) x[i] = load_whole(p + i * stride);
      } else {
        int count = std::min(W, columns - c);
        FORMWORK_UNROLL_HOST
        for (int i = 0; i < W; ++i) x[i] = r + i < rows ? pack<T, W>::load(p + i * stride, count) : pack<T, W>(T(0));
      }
      transpose(x);
      FORMWORK_UNROLL_HOST
      for (int i = 0; i < W; ++i) if (c + i < columns) store_whole(x[i], to + (c + i) * to_stride + r);
    }
}

// to[row][column] = from[column][row] for `rows` rows; reads lanes up to a multiple of W.
template <class T>
[[gnu::noinline]] FORMWORK_HIDDEN void transpose_out(const T* from, index from_stride, int rows, int columns, T* to,
                                                     index stride) {
  constexpr int W = native_width<T>;
  pack<T, W> x[W];
  for (int r = 0; r < rows; r += W)
    for (int c = 0; c < columns; c += W) {
      const T* p = from + c * from_stride + r;
      FORMWORK_UNROLL_HOST
      for (int i = 0; i < W; ++i)
        x[i] = c + i < columns ? load_whole(p + i * from_stride) : pack<T, W>(T(0));
      transpose(x);
      T* q = to + r * stride + c;
      if (r + W <= rows && c + W <= columns) {
        FORMWORK_UNROLL_HOST
        for (int i = 0; i < W; ++i) store_whole(x[i], q + i * stride);
      } else {
        int count = std::min(W, columns - c);
        FORMWORK_UNROLL_HOST
        for (int i = 0; i < W; ++i) if (r + i < rows) x[i].store(q + i * stride, count);
      }
    }
}

}  // namespace formwork::cpu::attention
