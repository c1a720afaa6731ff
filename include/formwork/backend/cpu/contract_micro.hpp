// The register tile of the matrix product: the only place where its multiply-adds stand.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "simd.hpp"

namespace formwork::cpu::detail {

// x in every lane. (x - 0 is x for every x, so that nothing but the broadcast is left.)
template <class T, int Width> FORMWORK_INLINE pack<T, Width> broadcast(T x) {
  return pack<T, Width>(x - typename pack<T, Width>::vector{});
}

// Ends no value's life before this point. Without it g++ 12 lets a multiply-add overwrite a factor at its
// last use and copies the sum back: 10 register moves per 24 multiply-adds, a seventh of the speed.
template <class T, int Width> FORMWORK_INLINE void keep([[maybe_unused]] pack<T, Width> const& x) {
#if defined(__AVX512F__)
  const auto value = x.v;
  asm volatile("" : : "v"(value));
#endif
}

// A whole vector at any address. (A copy of 32 bytes becomes two halves through the stack with g++ -mavx2.)
template <class Pack, class T> FORMWORK_INLINE Pack load_whole(const T* p) {
  return Pack(*reinterpret_cast<const typename Pack::vector*>(p));
}
template <class Pack, class T> FORMWORK_INLINE void store_whole(Pack const& x, T* p) {
  *reinterpret_cast<typename Pack::vector*>(p) = x.v;
}

// f(0), ..., f(Count - 1), unrolled whatever the optimisation level.
template <int Count, class Function> FORMWORK_INLINE void unrolled(Function f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, I>{}), ...);
  }(std::make_integer_sequence<int, Count>{});
}

// Lines of a block of memory, asked for one after the other while something else is computed.
struct prefetch_stream {
  const char* row = nullptr;
  std::ptrdiff_t stride = 0;  // bytes from row to row
  int row_bytes = 0, at = 0;
  std::ptrdiff_t lines = 0;   // left to ask for

  // The next line, into the second-level cache.
  FORMWORK_INLINE void step() {
    if (lines <= 0) return;
    --lines;
    __builtin_prefetch(row + at, 0, 2);
    at += 64;
    if (at >= row_bytes) {
      at = 0;
      row += stride;
    }
  }
};

// Rows of a panel, copied one after the other from where they lie `stride` apart while something else is computed, and
// asked for some rows before. (Asked for a whole block ahead, rows a multiple of 4 KiB apart share so few sets of the
// second-level cache that they push each other out: 13% of a product with 3072 columns went into waiting for them.)
template <class T, int Panel> struct copy_stream {
  const T* from = nullptr;
  std::ptrdiff_t stride = 0;
  T* to = nullptr;
  int vectors = 0;  // left to copy
  int at = 0;
  static constexpr int ahead = 8, lanes = native_width<T>;

  FORMWORK_INLINE void step() {
    if (vectors <= 0) return;
    --vectors;
    __builtin_prefetch(from + ahead * stride + at, 0, 2);
    store_whole(load_whole<pack<T, lanes>>(from + at), to);
    to += lanes;
    at += lanes;
    if (at >= Panel) {
      at = 0;
      from += stride;
    }
  }
  void finish() {
    while (vectors > 0) step();
  }
};

// Steps of k per round of the loop, because index arithmetic would take the ports of the multiply-adds. Each
// round takes one step of the stream: a burst of requests would fill the line buffers.
inline constexpr int contract_unroll = 4;

// c[r, j] (+)= sum_k a[k, r] b[k, j] for a tile of Rows x (Vectors * lanes):
//   a  packed, a[k * Rows + r]
//   b  packed, b[k * columns + j]
//   c  the tile, contiguous, c[r * columns + j]
// Partial sums of earlier blocks of k are taken up from c when `resume`.
template <class T, int Rows, int Vectors, class Stream>
[[gnu::noinline]] void contract_tile(std::ptrdiff_t depth, const T* a, const T* b, T* c, bool resume, Stream& stream) {
  Stream ahead = stream;
  constexpr int lanes = native_width<T>;
  using vector = pack<T, lanes>;
  vector sum[Rows * Vectors];
  if (resume)
    unrolled<Rows * Vectors>([&](auto i) { sum[i] = load_whole<vector>(c + i * lanes); });
  else
    unrolled<Rows * Vectors>([&](auto i) { sum[i] = vector(typename vector::vector{}); });
  const auto step = [&](auto u) __attribute__((always_inline)) {
    vector row[Vectors];
    unrolled<Vectors>([&](auto j) {
      row[j] = load_whole<vector>(b + (u * Vectors + j) * lanes);
    });
    unrolled<Rows>([&](auto r) {
      const vector factor = broadcast<T, lanes>(a[u * Rows + r]);
      unrolled<Vectors>([&](auto j) {
        constexpr int i = r * Vectors + j;
        sum[i] = fma(factor, row[j], sum[i]);
      });
      keep(factor);
    });
    unrolled<Vectors>([&](auto j) { keep(row[j]); });
  };
  const auto advance = [&](int steps) __attribute__((always_inline)) {
    a += steps * Rows;
    b += steps * Vectors * lanes;
  };
  for (; depth >= contract_unroll; depth -= contract_unroll) {
    unrolled<contract_unroll>(step);
    advance(contract_unroll);
    ahead.step();
  }
  for (; depth > 0; --depth) {
    step(std::integral_constant<int, 0>{});
    advance(1);
  }
  stream = ahead;
  unrolled<Rows * Vectors>([&](auto i) { store_whole(sum[i], c + i * lanes); });
}

}  // namespace formwork::cpu::detail
