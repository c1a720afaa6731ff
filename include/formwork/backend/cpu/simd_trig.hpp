// sin, cos of packs. float: x = n pi/2 + r, |r| <= pi/4, pi/2 in three parts (72 bits),
//   sin r = r + r^3 S(r^2),   cos r = 1 - r^2/2 + r^4 C(r^2),   S, C: minimax fits of degree 2
// and the quadrant n mod 4 picks one of them and the sign. At most 2 ulp for |x| <= 1e4, an absolute error of
// at most 1e-6 up to 1e6; packs with a larger |x| take the scalar function lane by lane, as double does.
#pragma once

#include "simd_exp.hpp"

namespace formwork::cpu {

namespace detail {
// x - n pi/2. The first difference is exact: it is a multiple of 2^-23 and below 1.
template <int Width> FORMWORK_INLINE pack<float, Width> minus_quadrants(pack<float, Width> x, pack<float, Width> n) {
#if defined(__FMA__) || defined(__AVX512F__)
  return fma(n, 1.71512451e-15f, fma(n, 4.37113883e-8f, fma(n, -1.57079637f, x)));
#else
  pack<float, Width> r;                        // n times the high part (33 bits) is exact in double
  for (int i = 0; i < Width; ++i) {
    const double high = 1.57079632673412561417, low = 6.07710050650619224932e-11, k = n.v[i];
    r.v[i] = static_cast<float>((x.v[i] - k * high) - k * low);
  }
  return r;
#endif
}

// sin(x + shift pi/2)
template <int Width> FORMWORK_INLINE pack<float, Width> sin_shifted(pack<float, Width> x, int shift) {
  using p = pack<float, Width>;
  using integers = pack<std::int32_t, Width>;
  const p t = fma(x, 0.636619772f, round_magic), r = minus_quadrants(x, t - round_magic), z = r * r;
  const p s = fma(r * z, polynomial(z, -1.66666552e-1f, 8.33217613e-3f, -1.95168861e-4f), r);
  const p c = fma(z, fma(z, polynomial(z, 4.16666493e-2f, -1.38874049e-3f, 2.44421117e-5f), -0.5f), 1.0f);
  const integers quadrant = bit_cast<std::int32_t>(t) + integers(shift);
  const p y = select((quadrant & integers(1)) == integers(0), s, c);
  return bit_cast<float>(bit_cast<std::int32_t>(y) ^ ((quadrant & integers(2)) << 30));
}
}  // namespace detail

template <int Width> FORMWORK_INLINE pack<float, Width> sin(pack<float, Width> x) {
  if (any(abs(x) > pack<float, Width>(1e6f))) [[unlikely]] return detail::each(x, [](float a) { return math::sin(a); });
  return select(x == pack<float, Width>(0.0f), x, detail::sin_shifted(x, 0));
}
template <int Width> FORMWORK_INLINE pack<float, Width> cos(pack<float, Width> x) {
  if (any(abs(x) > pack<float, Width>(1e6f))) [[unlikely]] return detail::each(x, [](float a) { return math::cos(a); });
  return detail::sin_shifted(x, 1);
}
template <int Width> FORMWORK_INLINE pack<double, Width> sin(pack<double, Width> x) {
  return detail::each(x, [](double a) { return math::sin(a); });
}
template <int Width> FORMWORK_INLINE pack<double, Width> cos(pack<double, Width> x) {
  return detail::each(x, [](double a) { return math::cos(a); });
}

}  // namespace formwork::cpu
