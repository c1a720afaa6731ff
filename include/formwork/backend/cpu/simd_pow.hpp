// pow of packs. float: |x|^y = 2^(y log2|x|) in double, half a pack at a time, so that the result is rounded
// once to float (less than 1 ulp), denormal results included; then the special cases of IEC 60559.
//   log2(2^k m) = k + s L(s^2), s = (m-1)/(m+1), m in [sqrt(1/2), sqrt(2)): L of degree 5, error 8e-14
//   2^f, |f| <= 1/2: degree 7, relative error 4e-11
// double (for the oracle): lane by lane.
#pragma once

#include "simd_exp.hpp"

namespace formwork::cpu {

namespace detail {
// x >= 0
template <int Width> FORMWORK_INLINE pack<double, Width> pow_magnitude(pack<double, Width> x, pack<double, Width> y) {
  using p = pack<double, Width>;
  using integers = pack<std::int64_t, Width>;
  constexpr std::int64_t half = 0x3fe6a09e667f3bcd, fraction = 0xfffffffffffff, one = 0x3ff0000000000000;
  constexpr double magic = 6755399441055744.0;                               // 1.5 2^52
  const integers shifted = bit_cast<std::int64_t>(x) + integers(one - half); // exponent field: 1023 + k
  const integers k = (shifted & integers(0x7ff0000000000000)) >> 52;         // positive, so the shift is cheap
  const p m = bit_cast<double>((shifted & integers(fraction)) + integers(half));
  const p kd = bit_cast<double>(k + integers(0x4338000000000000)) - (magic + 1023.0);
  const p s = (m - 1.0) / (m + 1.0);
  const p l = polynomial(s * s, 2.8853900817778495, 0.9617966941143816, 0.5770779420673592, 0.4122092821918238,
                         0.31990447904097996, 0.28291753931680735);
  const double infinite = std::numeric_limits<double>::infinity();
  p log2 = fma(s, l, kd);
  log2 = select(x == p(0.0), p(-infinite), select(x == p(infinite), p(infinite), log2));
  p e = y * log2;
  e = select(e > p(200.0), p(200.0), select(e < p(-200.0), p(-200.0), e));   // float ends at 2^128 and 2^-149
  const p t = e + magic, f = e - (t - magic);
  const p q = polynomial(f, 0.9999999999595529, 0.6931471805350254, 0.24022651213550775, 0.05550410976111529,
                         0.009618025608534364, 0.0013333422643698055, 0.00015469730316819479, 1.5316462067460835e-05);
  return bit_cast<double>(bit_cast<std::int64_t>(q) + (bit_cast<std::int64_t>(t) << 52));
}
template <int Width> FORMWORK_INLINE pack<float, Width> pow_magnitude(pack<float, Width> x, pack<float, Width> y) {
  constexpr int piece = Width < native_width<double> ? Width : native_width<double>;
  static_assert(Width % piece == 0);
  pack<float, Width> r;
  [&]<int... I>(std::integer_sequence<int, I...>) {
    const auto one = [&]<int First>(std::integral_constant<int, First>) {
      const auto base = convert<double>(part<First, piece>(x)), power = convert<double>(part<First, piece>(y));
      const auto p = convert<float>(pow_magnitude(base, power));
      std::memcpy(reinterpret_cast<char*>(&r.v) + First * sizeof(float), &p.v, sizeof p.v);
    };
    (one(std::integral_constant<int, I * piece>{}), ...);
  }(std::make_integer_sequence<int, Width / piece>{});
  return r;
}
}  // namespace detail

// x^y: 1 for y = 0 or x = 1; a negative finite x needs an integer y, else NaN; odd y keep the sign of x.
template <int Width>
FORMWORK_INLINE pack<float, Width> pow(pack<float, Width> x, std::type_identity_t<pack<float, Width>> y) {
  using p = pack<float, Width>;
  using integers = pack<std::int32_t, Width>;
  const p a = abs(x), b = abs(y), one(1.0f);
  const auto whole = (b >= p(8388608.0f)) | ((b + 8388608.0f - 8388608.0f) == b);
  const p small = select(b < p(16777216.0f), b, p(0.0f));
  const auto odd = bit_cast<float>((convert<std::int32_t>(small) & integers(1)) << 31);
  p r = detail::pow_magnitude(a, p(y));
  const auto sign = select(whole, bit_cast<std::int32_t>(odd) & bit_cast<std::int32_t>(detail::sign_bit(x)), integers(0));
  r = bit_cast<float>(bit_cast<std::int32_t>(r) ^ sign);
  r = select((x < p(0.0f)) & (!whole) & (a < p(detail::infinity)), p(detail::not_a_number), r);
  r = select((a == one) & (b == p(detail::infinity)), one, r);
  r = select(x != x, x, r);
  return select((y == p(0.0f)) | (x == one), one, r);
}
template <int Width>
FORMWORK_INLINE pack<double, Width> pow(pack<double, Width> x, std::type_identity_t<pack<double, Width>> y) {
  pack<double, Width> r;
  for (int i = 0; i < Width; ++i) r.v[i] = math::pow(x.v[i], y.v[i]);
  return r;
}
template <class S, class T, int Width> requires std::is_arithmetic_v<S>
FORMWORK_INLINE pack<T, Width> pow(S x, pack<T, Width> y) { return pow(pack<T, Width>(x), y); }

}  // namespace formwork::cpu
