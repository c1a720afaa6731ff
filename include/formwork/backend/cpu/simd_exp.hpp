// exp, expm1, sigmoid, tanh of packs. float: polynomials without branches; double (for the oracle): lane by lane.
//
// Reduction: x = n ln2 + r, |r| <= ln2/2, n by adding 1.5 2^23, which leaves n in the low bits of the sum's
// mantissa. ln2 is split so that n ln2_high is exact (9 significant bits). Then exp(x) = 2^n exp(r).
// Quotients are divided: the divider works beside the multipliers that are the bottleneck here, and a reciprocal
// estimate with a Newton step was not faster (bench/simd_math, Sapphire Rapids).
// The coefficients are minimax fits of (expm1(r) - r) / r^2 by Remez exchange in 40 digits.
#pragma once

#include "simd_basic.hpp"

namespace formwork::cpu {

namespace detail {
inline constexpr float log2_e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
inline constexpr float round_magic = 12582912.0f;                          // 1.5 2^23
inline constexpr float exp_low = -87.33654f, exp_high = 88.72284f;         // exp = 2^-126, and 2^128

// 2^n in the exponent's place: the integer n 2^23 of t = n + round_magic.
template <int Width> FORMWORK_INLINE pack<std::int32_t, Width> exponent_of(pack<float, Width> t) {
  return bit_cast<std::int32_t>(t) << 23;
}

#if defined(__AVX512F__)
// n in steps of 1/16 and 2^(n - floor n) from a table in a register: |r| <= ln2/32 needs two coefficients.
// Twelve instructions with both limits. Largest error 0.99 ulp.
template <bool Low, bool High> FORMWORK_INLINE pack<float, 16> exp_table(pack<float, 16> x) {
  using p16 = pack<float, 16>;
  const p16 table(p16::vector{1.0f, 1.04427373f, 1.09050775f, 1.13878858f, 1.18920708f, 1.24185777f, 1.29683959f,
                              1.35425556f, 1.41421354f, 1.47682619f, 1.54221082f, 1.61049032f, 1.68179286f,
                              1.75625217f, 1.8340081f, 1.91520655f});
  const p16 z = High ? at_most(89.0f, x) : x;
  const p16 t = fma(z, log2_e, round_magic / 16), n = t - round_magic / 16;
  const p16 r = fma(n, -ln2_low, fma(n, -ln2_high, z));
  const p16 power = (p16::vector)_mm512_maskz_permutexvar_ps(0xffff, (__m512i)t.v, (__m512)table.v);
  const p16 q = fma(fma(r, 1.66667134e-1f, 5.00016272e-1f), r, 1.0f);
  const p16 y = fma(power * r, q, power);
  const __mmask16 above = Low ? _mm512_cmp_ps_mask((__m512)x.v, _mm512_set1_ps(exp_low), _CMP_NLT_UQ) : __mmask16(0xffff);
  return (p16::vector)_mm512_maskz_scalef_ps(above, (__m512)y.v, (__m512)n.v);
}
#endif

// Low, High: whether x may be below exp_low or above exp_high.
template <bool Low, bool High, int Width> FORMWORK_INLINE pack<float, Width> exp_limited(pack<float, Width> x) {
  using p = pack<float, Width>;
#if defined(__AVX512F__)
  if constexpr (Width == 16) return exp_table<Low, High>(x);
#endif
  const p t = fma(x, log2_e, round_magic), n = t - round_magic;
  const p r = fma(n, -ln2_low, fma(n, -ln2_high, x));
  const p e = polynomial(r, 1.0f, 1.0f, 4.99999940e-1f, 1.66665196e-1f, 4.16683294e-2f, 8.36878363e-3f, 1.38178153e-3f);
  p y = bit_cast<float>(bit_cast<std::int32_t>(e) + exponent_of(t));
  if constexpr (High) y = select(x < p(exp_high), y, x * infinity);         // NaN stays NaN
  if constexpr (Low) y = select(x < p(exp_low), p(0.0f), y);
  return y;
}

}  // namespace detail

// e^x. At most 2 ulp; 0 where the result is below the smallest normal number, 2^-126 (x < -87.33654), so that
// no denormal number slows down what follows; infinity from 88.72284 on.
template <int Width> FORMWORK_INLINE pack<float, Width> exp(pack<float, Width> x) {
  return detail::exp_limited<true, true>(x);
}
template <int Width> FORMWORK_INLINE pack<double, Width> exp(pack<double, Width> x) {
  return detail::each(x, [](double a) { return math::exp(a); });
}

// The same for x <= 0.
template <int Width> FORMWORK_INLINE pack<float, Width> exp_of_negative(pack<float, Width> x) {
  return detail::exp_limited<true, false>(x);
}
template <int Width> FORMWORK_INLINE pack<double, Width> exp_of_negative(pack<double, Width> x) { return exp(x); }

// e^x - 1 = 2^n (p + 1) - 1 with p = expm1(r), at most 2 ulp. Half of it is computed, so that 2^n may be 2^128.
template <int Width> FORMWORK_INLINE pack<float, Width> expm1(pack<float, Width> x) {
  using p = pack<float, Width>;
  const p z = select(x < p(-18.0f), p(-18.0f), x);                           // -1 to the last bit
  const p t = fma(z, detail::log2_e, detail::round_magic), n = t - detail::round_magic;
  const p r = fma(n, -detail::ln2_low, fma(n, -detail::ln2_high, z));
  const p q = detail::polynomial(r, 4.99999970e-1f, 1.66665435e-1f, 4.16671895e-2f, 8.36664252e-3f, 1.38834200e-3f);
  const p e = fma(r * r, q, r);
  const p s = bit_cast<float>(detail::exponent_of(t) + pack<std::int32_t, Width>(126 << 23));          // 2^(n-1)
  const p half = fma(s, e, s - 0.5f), y = select(n == p(0.0f), e, half + half);
  return select(x == p(0.0f), x, select(x < p(detail::exp_high), y, x * detail::infinity));
}
template <int Width> FORMWORK_INLINE pack<double, Width> expm1(pack<double, Width> x) {
  return detail::each(x, [](double a) { return math::expm1(a); });
}

// 1 / (1 + e^-x), at most 3.5 ulp, from e = exp(-|x|) <= 1: nothing overflows, and large negative x keep their
// relative accuracy, where the result is e / (1 + e); 0 below -87.33654.
template <int Width> FORMWORK_INLINE pack<float, Width> sigmoid(pack<float, Width> x) {
  using p = pack<float, Width>;
  const p e = detail::exp_limited<true, false>(detail::with_sign(abs(x), p(-0.0f)));
  const p one(1.0f);
  return select(x < p(0.0f), e, one) / (one + e);
}
template <int Width> FORMWORK_INLINE pack<double, Width> sigmoid(pack<double, Width> x) {
  return detail::each(x, [](double a) { return math::sigmoid(a); });
}

// At most 2 ulp: |x| < 0.6: x + x^3 P(x^2), P a minimax fit of degree 4 (relative error 3e-9);
// else 1 - 2 / (exp(2|x|) + 1), which is 1 from 9.02 on.
template <int Width> FORMWORK_INLINE pack<float, Width> tanh(pack<float, Width> x) {
  using p = pack<float, Width>;
  const p a = detail::at_most(10.0f, abs(x)), z = x * x;
  const p near = detail::polynomial(z, -3.33333015e-1f, 1.33320004e-1f, -5.37895449e-2f, 2.08133590e-2f, -5.91378659e-3f);
  const p far = p(1.0f) - p(2.0f) / (detail::exp_limited<false, false>(a + a) + 1.0f);
  return detail::with_sign(select(a < p(0.6f), fma(a * z, near, a), far), x);
}
template <int Width> FORMWORK_INLINE pack<double, Width> tanh(pack<double, Width> x) {
  return detail::each(x, [](double a) { return math::tanh(a); });
}

}  // namespace formwork::cpu
