// sin and cos of a float, with the same bits on the host and on a GPU. (CUDA's own use local memory above 105615, and with
// them every kernel that has a rotary embedding would.)
//   x = n pi/2 + r, |r| <= pi/4;   sin r = r + r^3 S(r^2),   cos r = 1 - r^2/2 + r^4 C(r^2)
// and n mod 4 picks one of them and the sign; S and C are those of backend/cpu/simd_trig.hpp. Below 2^17, r is x less n
// times three floats whose sum is pi/2 to 2^-76, each step one fma (Cody and Waite, Software Manual for the Elementary
// Functions, 1980). Above, it is the fraction of x times 2/pi, of which only the bits are multiplied that reach the result
// (Payne and Hanek, SIGNUM Newsletter 18, 1983). At most 1.54 ulp over all floats, each of which was tried.
#pragma once

#include <math.h>

#include <bit>
#include <cstdint>

#include "config.hpp"

namespace formwork::math {

namespace detail {
struct in_quadrant {
  float rest;            // r
  std::uint32_t number;  // n modulo 4 in its low bits
};

// |x| < 2^17. The first difference is exact: it is a multiple of 2^-23 and below 1.
FORMWORK_FN inline in_quadrant small_quadrant(float x) {
  constexpr float magic = 0x1.8p23f;  // a sum with it is rounded to an integer, which stands in its low bits
  const float t = ::fmaf(x, 0x1.45f306p-1f, magic), n = t - magic;
  return {::fmaf(n, 0x1.ee59dap-50f, ::fmaf(n, 0x1.777a5cp-25f, ::fmaf(n, -0x1.921fb6p+0f, x))), std::bit_cast<std::uint32_t>(t)};
}

// 2 <= |x|, finite. With |x| = m 2^s, m an integer below 2^32, the bits of 2/pi from 2^(2 - s) up give multiples of 4; the
// next 96, times m, give n and the fraction to 2^-61, which is at least 2^-30. They are picked by conditions: an index
// would want them in memory.
FORMWORK_FN inline in_quadrant large_quadrant(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint64_t m = (bits << 8) | 0x80000000u;
  const std::uint32_t skipped = (bits >> 23 & 0xffu) - 128;  // s + 30, of 2/pi with 32 zero bits in front
  const bool two = (skipped & 64u) != 0, one = (skipped & 32u) != 0;
  // 2/pi = 0.a2f9836e 4e441529 fc2757d1 f534ddc0 db629599 3c439041 in base 16
  const std::uint64_t a = two ? 0x4e441529u : 0x00000000u, b = two ? 0xfc2757d1u : 0xa2f9836eu, c = two ? 0xf534ddc0u : 0x4e441529u,
                      d = two ? 0xdb629599u : 0xfc2757d1u, e = two ? 0x3c439041u : 0xf534ddc0u;
  const std::uint64_t p = one ? b : a, q = one ? c : b, r = one ? d : c, s = one ? e : d;
  const std::uint32_t shift = 32 - (skipped & 31u);
  const std::uint64_t high = (p << 32 | q) >> shift, middle = (q << 32 | r) >> shift & 0xffffffffu, low = (r << 32 | s) >> shift & 0xffffffffu;
  const std::uint64_t turns = (high * m << 32) + middle * m + (low * m >> 32);  // |x| 2/pi modulo 4, in units of 2^-62
  const auto number = static_cast<std::uint32_t>((turns + (std::uint64_t(1) << 61)) >> 62);
  const auto rest = static_cast<float>(static_cast<double>(static_cast<std::int64_t>(turns << 2)) * 0x1.921fb54442d18p-64);
  return x < 0 ? in_quadrant{-rest, 0 - number} : in_quadrant{rest, number};
}

// sin(x + shift pi/2)
FORMWORK_FN inline float sin_shifted(float x, std::uint32_t shift) {
  if (!(::fabsf(x) < INFINITY)) return x - x;  // NaN
  const in_quadrant at = ::fabsf(x) < 0x1p17f ? small_quadrant(x) : large_quadrant(x);
  const float r = at.rest, z = r * r;
  const float s = ::fmaf(r * z, ::fmaf(z, ::fmaf(z, -1.95168861e-4f, 8.33217613e-3f), -1.66666552e-1f), r);
  const float c = ::fmaf(z, ::fmaf(z, ::fmaf(z, ::fmaf(z, 2.44421117e-5f, -1.38874049e-3f), 4.16666493e-2f), -0.5f), 1.0f);
  const std::uint32_t quadrant = at.number + shift;
  const float y = (quadrant & 1u) != 0 ? c : s;
  return (quadrant & 2u) != 0 ? -y : y;
}
}  // namespace detail

FORMWORK_FN inline float sin(float x) { return x == 0.0f ? x : detail::sin_shifted(x, 0); }
FORMWORK_FN inline float cos(float x) { return detail::sin_shifted(x, 1); }

}  // namespace formwork::math
