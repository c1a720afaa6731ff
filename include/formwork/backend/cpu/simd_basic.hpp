// abs, min, max, floor, sqrt, rsqrt, isfinite of packs, and what the other elementary functions are built from.
#pragma once

#include <limits>
#include <type_traits>

#include "../../core/math.hpp"
#include "simd.hpp"

namespace formwork::cpu {

namespace detail {
// f of every lane, one by one.
template <class T, int Width, class F> FORMWORK_INLINE pack<T, Width> each(pack<T, Width> x, F f) {
  pack<T, Width> r;
  for (int i = 0; i < Width; ++i) r.v[i] = f(x.v[i]);
  return r;
}
// c[0] + c[1] x + c[2] x^2 + ..., by Horner's rule.
template <class T, int Width, class... C> FORMWORK_INLINE pack<T, Width> polynomial(pack<T, Width> x, T c0, C... c) {
  if constexpr (sizeof...(C) == 0) return pack<T, Width>(c0);
  else return fma(polynomial(x, c...), x, pack<T, Width>(c0));
}
template <class T, int Width> FORMWORK_INLINE pack<T, Width> sign_bit(pack<T, Width> x) {
  using integer = mask_integer_t<T>;
  return bit_cast<T>(bit_cast<integer>(x) & pack<integer, Width>(std::numeric_limits<integer>::min()));
}
// The magnitude of a (which is not negative) with the sign of x.
template <class T, int Width> FORMWORK_INLINE pack<T, Width> with_sign(pack<T, Width> a, pack<T, Width> x) {
  using integer = mask_integer_t<T>;
  return bit_cast<T>(bit_cast<integer>(a) | bit_cast<integer>(sign_bit(x)));
}
// The smaller of a constant and x; a NaN in x passes.
template <int Width> FORMWORK_INLINE pack<float, Width> at_most(float limit, pack<float, Width> x) {
  using vector [[maybe_unused]] = typename pack<float, Width>::vector;
#if defined(__AVX512F__)
  if constexpr (Width == 16) return {(vector)_mm512_maskz_min_ps(0xffff, _mm512_set1_ps(limit), (__m512)x.v)};
#endif
  return select(x > pack<float, Width>(limit), pack<float, Width>(limit), x);
}
inline constexpr float infinity = std::numeric_limits<float>::infinity();
inline constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
}  // namespace detail

// |a|; the most negative integer stays as it is.
template <class T, int Width> FORMWORK_INLINE pack<T, Width> abs(pack<T, Width> a) {
  if constexpr (std::is_unsigned_v<T>) return a;
  else if constexpr (std::is_integral_v<T>) return select(a < pack<T, Width>(T(0)), pack<T, Width>(T(0)) - a, a);
  else {
    using integer = mask_integer_t<T>;
    return bit_cast<T>(bit_cast<integer>(a) & pack<integer, Width>(std::numeric_limits<integer>::max()));
  }
}

// The smaller and the larger; a NaN in either argument is the result (PyTorch's minimum and maximum).
template <class T, int Width>
FORMWORK_INLINE pack<T, Width> min(pack<T, Width> a, std::type_identity_t<pack<T, Width>> b) {
#if defined(__AVX512F__)
  using vector = typename pack<T, Width>::vector;
  if constexpr (std::is_same_v<T, float> && Width == 16) {         // the instruction gives b if either is NaN
    const __m512 x = (__m512)a.v;
    const __m512 y = _mm512_maskz_min_ps(0xffff, x, (__m512)b.v);
    return {(vector)_mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x)};
  }
#endif
  if constexpr (std::is_integral_v<T>) return select(a < b, a, b);
  else return select((a < b) | (a != a), a, b);
}
template <class T, int Width>
FORMWORK_INLINE pack<T, Width> max(pack<T, Width> a, std::type_identity_t<pack<T, Width>> b) {
#if defined(__AVX512F__)
  using vector = typename pack<T, Width>::vector;
  if constexpr (std::is_same_v<T, float> && Width == 16) {
    const __m512 x = (__m512)a.v;
    const __m512 y = _mm512_maskz_max_ps(0xffff, x, (__m512)b.v);
    return {(vector)_mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x)};
  }
#endif
  if constexpr (std::is_integral_v<T>) return select(a > b, a, b);
  else return select((a > b) | (a != a), a, b);
}
template <class S, class T, int Width> requires std::is_arithmetic_v<S>
FORMWORK_INLINE pack<T, Width> min(S a, pack<T, Width> b) { return min(pack<T, Width>(a), b); }
template <class S, class T, int Width> requires std::is_arithmetic_v<S>
FORMWORK_INLINE pack<T, Width> max(S a, pack<T, Width> b) { return max(pack<T, Width>(a), b); }

// Neither infinite nor NaN.
template <class T, int Width> FORMWORK_INLINE mask<T, Width> isfinite(pack<T, Width> x) {
  return (x - x) == pack<T, Width>(T(0));
}

// The largest integer that is at most x.
template <class T, int Width> FORMWORK_INLINE pack<T, Width> floor(pack<T, Width> x) {
  using vector [[maybe_unused]] = typename pack<T, Width>::vector;
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<T, float> && Width == 16)
    return {(vector)_mm512_maskz_roundscale_ps(0xffff, (__m512)x.v, _MM_FROUND_TO_NEG_INF)};
#endif
#if defined(__AVX__)
  if constexpr (std::is_same_v<T, float> && Width == 8) return {(vector)_mm256_floor_ps((__m256)x.v)};
#endif
  return detail::each(x, [](T a) { return math::floor(a); });
}

// The square root, correctly rounded; NaN below zero.
template <class T, int Width> FORMWORK_INLINE pack<T, Width> sqrt(pack<T, Width> x) {
  using vector [[maybe_unused]] = typename pack<T, Width>::vector;
  [[maybe_unused]] constexpr int bytes = Width * sizeof(T);
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<T, float> && bytes == 64) return {(vector)_mm512_maskz_sqrt_ps(0xffff, (__m512)x.v)};
  if constexpr (std::is_same_v<T, double> && bytes == 64) return {(vector)_mm512_maskz_sqrt_pd(0xff, (__m512d)x.v)};
#endif
#if defined(__AVX__)
  if constexpr (std::is_same_v<T, float> && bytes == 32) return {(vector)_mm256_sqrt_ps((__m256)x.v)};
  if constexpr (std::is_same_v<T, double> && bytes == 32) return {(vector)_mm256_sqrt_pd((__m256d)x.v)};
#endif
#if defined(__SSE2__)
  if constexpr (std::is_same_v<T, float> && bytes == 16) return {(vector)_mm_sqrt_ps((__m128)x.v)};
  if constexpr (std::is_same_v<T, double> && bytes == 16) return {(vector)_mm_sqrt_pd((__m128d)x.v)};
#endif
  return detail::each(x, [](T a) { return math::sqrt(a); });
}

// 1 / sqrt(x), at most 1.5 ulp. AVX-512: a 14-bit estimate y and one Newton step y + y/2 (1 - x y^2); the
// estimate itself is right at 0, infinity and below zero, where the step would give NaN.
template <class T, int Width> FORMWORK_INLINE pack<T, Width> rsqrt(pack<T, Width> x) {
#if defined(__AVX512DQ__)
  if constexpr (std::is_same_v<T, float> && Width == 16) {
    using vector = typename pack<T, Width>::vector;
    const pack<T, Width> y = (vector)_mm512_maskz_rsqrt14_ps(0xffff, (__m512)x.v), e = fma(-(x * y), y, 1.0f);
    const __mmask16 ordinary = static_cast<__mmask16>(~_mm512_fpclass_ps_mask((__m512)x.v, 0x02 | 0x04 | 0x08));
    return {(vector)_mm512_mask3_fmadd_ps((__m512)(y * 0.5f).v, (__m512)e.v, (__m512)y.v, ordinary)};
  }
#endif
  return pack<T, Width>(T(1)) / sqrt(x);
}

}  // namespace formwork::cpu
