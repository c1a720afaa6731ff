// The register tile of the matrix product: the only place where its multiply-adds stand.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "simd_tile.hpp"

namespace formwork::cpu::detail {

// f(0), ..., f(Count - 1), unrolled whatever the optimisation level.
template <int Count, class Function> FORMWORK_INLINE void unrolled(Function f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, I>{}), ...);
  }(std::make_integer_sequence<int, Count>{});
}

// Memory is asked for in stretches of so many bytes.
inline constexpr int errand_bytes = 256;

// What a tile does for the tiles after it while its sums are made, a little in each round of its loop: a burst of
// requests would fill the line buffers that the sums need, too. Every instruction of it delays a multiply-add, so that
// it decides little.
template <class T, int Panel> struct tile_errands {
  static constexpr int lanes = native_width<T>, most = 64, ahead = 8;
  // Rows of the next panel, copied from where they lie `stride` apart, and asked for some rows before. (Asked for a whole
  // block ahead, rows a multiple of 4 KiB apart share so few sets of the second-level cache that they push each other
  // out: 13% of a product with 3072 columns went into waiting for them.)
  const T* from = nullptr;
  std::ptrdiff_t stride = 0;
  T* to = nullptr;
  int copies = 0;
  // What will be read, and what written soon.
  int reads = 0, writes = 0;
  const char *read[most], *write[most];

  void copy(const T* source, std::ptrdiff_t source_stride, T* panel) {
    from = source;
    stride = source_stride;
    to = panel;
  }
  void ask_to_read(const void* p) {
    if (reads < most) read[reads++] = static_cast<const char*>(p);
  }
  void ask_to_write(const void* p) {
    if (writes < most) write[writes++] = static_cast<const char*>(p);
  }
  // (The prefetches stand in no lambda: to g++ a function of nothing else is without effect, and its calls go.)
  FORMWORK_INLINE void round() {
    if (copies > 0) copy_row();
    if (reads > 0) {
      const char* p = read[--reads];
      for (int n = 0; n < errand_bytes; n += 64) __builtin_prefetch(p + n, 0, 2);
    }
    if (writes > 0) {
      const char* p = write[--writes];
      for (int n = 0; n < errand_bytes; n += 64) __builtin_prefetch(p + n, 1);
    }
  }
  // What a tile of few rounds left.
  void finish() {
    while (copies > 0) copy_row();
  }

 private:
  FORMWORK_INLINE void copy_row() {
    --copies;
    unrolled<Panel / lanes>([&](auto v) {
      __builtin_prefetch(from + ahead * stride + v * lanes, 0, 2);
      store_whole(load_whole(from + v * lanes), to + v * lanes);
    });
    from += stride;
    to += Panel;
  }
};

// Steps of k without index arithmetic, which would take the ports of the multiply-adds; and from errand to errand.
inline constexpr int contract_unroll = 4, contract_round = 16;

// c[r, j] (+)= sum_k a[k, r] b[k, j] for a tile of Rows x (Vectors * lanes):
//   a  packed, a[k * Rows + r]
//   b  packed, b[k * columns + j]
//   c  the tile, contiguous, c[r * columns + j]
// Partial sums of earlier blocks of k are taken up from c when `resume`.
template <class T, int Rows, int Vectors>
[[gnu::noinline]] void contract_tile(std::ptrdiff_t depth, const T* a, const T* b, T* c, bool resume,
                                     tile_errands<T, Vectors * native_width<T>>& errands) {
  constexpr int lanes = native_width<T>;
  using vector = pack<T, lanes>;
  vector sum[Rows * Vectors];
  if (resume)
    unrolled<Rows * Vectors>([&](auto i) { sum[i] = load_whole(c + i * lanes); });
  else
    unrolled<Rows * Vectors>([&](auto i) { sum[i] = vector(typename vector::vector{}); });
  const auto step = [&](auto u) __attribute__((always_inline)) {
    vector row[Vectors];
    unrolled<Vectors>([&](auto j) {
      row[j] = load_whole(b + (u * Vectors + j) * lanes);
    });
    unrolled<Rows>([&](auto r) {
      const vector factor = broadcast(a[u * Rows + r]);
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
  while (depth >= contract_unroll) {
    const std::ptrdiff_t unrolls = (depth < contract_round ? depth : contract_round) / contract_unroll;
    for (std::ptrdiff_t n = 0; n < unrolls; ++n) {
      unrolled<contract_unroll>(step);
      advance(contract_unroll);
    }
    depth -= unrolls * contract_unroll;
    errands.round();
  }
  for (; depth > 0; --depth) {
    step(std::integral_constant<int, 0>{});
    advance(1);
  }
  unrolled<Rows * Vectors>([&](auto i) { store_whole(sum[i], c + i * lanes); });
}

}  // namespace formwork::cpu::detail
