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

// Ends no value's life before this point. Without it g++ 12 lets a multiply-add overwrite a factor at its
// last use and copies the sum back: 10 register moves per 24 multiply-adds, a seventh of the speed.
template <class T, int Width> FORMWORK_INLINE void keep([[maybe_unused]] pack<T, Width> const& x) {
#if defined(__AVX512F__)
  const auto value = x.v;
  asm volatile("" : : "v"(value));
#endif
}

// f(0), ..., f(Count - 1), unrolled whatever the optimisation level.
template <int Count, class Function> FORMWORK_INLINE void unrolled(Function f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, I>{}), ...);
  }(std::make_integer_sequence<int, Count>{});
}

// Steps of k per round of the loop: index arithmetic would take the ports of the multiply-adds.
inline constexpr int contract_unroll = 4;

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
  const auto step = [&](const T* a_k, const T* b_k) __attribute__((always_inline)) {
    vector row[Vectors];
    unrolled<Vectors>([&](auto j) { row[j] = vector::load(b_k + j * lanes); });
    unrolled<Rows>([&](auto r) {
      const vector factor = broadcast<T, lanes>(a_k[r]);
      unrolled<Vectors>([&](auto j) {
        constexpr int i = r * Vectors + j;
        sum[i] = fma(factor, row[j], sum[i]);
      });
      keep(factor);
    });
    unrolled<Vectors>([&](auto j) { keep(row[j]); });
  };
  std::ptrdiff_t k = 0;
  for (; k + contract_unroll <= depth; k += contract_unroll) {
    unrolled<contract_unroll>([&](auto u) { step(a + u * Rows, b + u * b_stride); });
    a += contract_unroll * Rows;
    b += contract_unroll * b_stride;
  }
  for (; k < depth; ++k) {
    step(a, b);
    a += Rows;
    b += b_stride;
  }
  unrolled<Rows * Vectors>([&](auto i) { sum[i].store(c + i * lanes); });
}

}  // namespace formwork::cpu::detail
