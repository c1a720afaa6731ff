// log, log1p of packs. float: x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)),
//   log(1 + f) = f - f^2/2 + f^3 q(f),   q: minimax fit of degree 7, relative error 6e-9
//   log x = k ln2 + log(1 + f), ln2 split so that k ln2_high is exact.
// double (for the oracle): lane by lane.
#pragma once

#include "simd_exp.hpp"

namespace formwork::cpu {

namespace detail {
inline constexpr std::int32_t sqrt_half_bits = 0x3f3504f3;

template <int Width> FORMWORK_INLINE pack<float, Width> log_reduced(pack<float, Width> f, pack<float, Width> k) {
  using p = pack<float, Width>;
  const p q = polynomial(f, 3.33333313e-1f, -2.50007927e-1f, 2.00013012e-1f, -1.66242182e-1f, 1.42010450e-1f,
                         -1.31521299e-1f, 1.27620786e-1f, -7.65408128e-2f);
  const p rest = f * f * fma(f, q, -0.5f);
  return fma(k, ln2_high, f + fma(k, ln2_low, rest));
}
// -infinity at `pole`, NaN below it and for NaN, infinity at infinity.
template <int Width> FORMWORK_INLINE pack<float, Width> log_limits(pack<float, Width> x, pack<float, Width> y, float pole) {
  using p = pack<float, Width>;
  y = select(x < p(infinity), y, x);
  return select(x > p(pole), y, select(x == p(pole), p(-infinity), p(not_a_number)));
}
}  // namespace detail

// The natural logarithm, at most 2 ulp, of denormal numbers too.
template <int Width> FORMWORK_INLINE pack<float, Width> log(pack<float, Width> x) {
  using p = pack<float, Width>;
  using integers = pack<std::int32_t, Width>;
  const auto tiny = x < p(1.17549435e-38f);
  const integers bits = bit_cast<std::int32_t>(select(tiny, x * 8388608.0f, x)) - integers(detail::sqrt_half_bits);
  const p k = convert<float>(bits >> 23) - select(tiny, p(23.0f), p(0.0f));
  const p m = bit_cast<float>((bits & integers(0x7fffff)) + integers(detail::sqrt_half_bits));
  return detail::log_limits(x, detail::log_reduced(m - 1.0f, k), 0.0f);
}
template <int Width> FORMWORK_INLINE pack<double, Width> log(pack<double, Width> x) {
  return detail::each(x, [](double a) { return math::log(a); });
}

// log(1 + x), at most 2 ulp: k is that of 1 + x rounded, but f = (1 + x) 2^-k - 1 = x 2^-k + (2^-k - 1) is
// rounded once only. From 2^24 on, 1 + x is x.
template <int Width> FORMWORK_INLINE pack<float, Width> log1p(pack<float, Width> x) {
  using p = pack<float, Width>;
  using integers = pack<std::int32_t, Width>;
  const integers bits = bit_cast<std::int32_t>(x + 1.0f) - integers(detail::sqrt_half_bits), k = bits >> 23;
  const p m = bit_cast<float>((bits & integers(0x7fffff)) + integers(detail::sqrt_half_bits));
  const p s = bit_cast<float>((integers(127) - k) << 23);                    // 2^-k, used for k <= 24
  const p f = select(x < p(16777216.0f), fma(x, s, s - 1.0f), m - 1.0f);
  const p y = detail::log_reduced(select(k == integers(0), x, f), convert<float>(k));
  return select(x == p(0.0f), x, detail::log_limits(x, y, -1.0f));
}
template <int Width> FORMWORK_INLINE pack<double, Width> log1p(pack<double, Width> x) {
  return detail::each(x, [](double a) { return math::log1p(a); });
}

}  // namespace formwork::cpu
