// The register tile of the matrix product: the only place where its multiply-adds stand.
#pragma once

#include <cstddef>
#include <utility>

#include "simd.hpp"

namespace formwork::cpu::detail {

// x in every lane. (x - 0 is x for every x, so that nothing but the broadcast is left.)
template <class T, int Width> FORMWORK_INLINE pack<T, Width> broadcast(T x) {
  return pack<T, Width>(x - typename pack<T, Width>::vector{});
}

// f(0), ..., f(Count - 1), unrolled whatever the optimisation level.
template <int Count, class Function> FORMWORK_INLINE void unrolled(Function f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, I>{}), ...);
  }(std::make_integer_sequence<int, Count>{});
}

// c[r, j] (+)= sum_k a[k, r] b[k, j] for a tile of Rows x (Vectors * lanes):
//   a  packed, a[k * Rows + r]
//   b  packed or in place, b[k * b_stride + j]
//   c  the tile, contiguous, c[r * columns + j]
// Partial sums of earlier blocks of k are taken up from c when `resume`.
template <class T, int Rows, int Vectors>
[[gnu::noinline]] void contract_tile(std::ptrdiff_t depth, const T* a, const T* b, std::ptrdiff_t b_stride,
                                     T* c, bool resume) {
  constexpr int lanes = native_width<T>;
  using vector = pack<T, lanes>;
  vector sum[Rows * Vectors];
  if (resume)
    unrolled<Rows * Vectors>([&](auto i) { sum[i] = vector::load(c + i * lanes); });
  else
    unrolled<Rows * Vectors>([&](auto i) { sum[i] = vector(typename vector::vector{}); });
  for (std::ptrdiff_t k = 0; k < depth; ++k) {
    vector row[Vectors];
    unrolled<Vectors>([&](auto j) { row[j] = vector::load(b + j * lanes); });
    unrolled<Rows>([&](auto r) {
      const vector factor = broadcast<T, lanes>(a[r]);
      unrolled<Vectors>([&](auto j) {
        constexpr int i = r * Vectors + j;
        sum[i] = fma(factor, row[j], sum[i]);
      });
    });
    a += Rows;
    b += b_stride;
  }
  unrolled<Rows * Vectors>([&](auto i) { sum[i].store(c + i * lanes); });
}

}  // namespace formwork::cpu::detail
