// sin and cos of a float against the C library's in double, in units of the last place, over all binades.
#include "support/catch.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "formwork/core/math.hpp"

namespace {

namespace math = formwork::math;
using function = float (*)(float);
constexpr double bound = 1.54;  // ulp, as the header says

// |got - want| in ulps of the binary32 binade of `want`; NaN counts a million.
double ulps(float got, double want) {
  if (std::isnan(got)) return 1e6;
  return std::abs(static_cast<double>(got) - want) / std::ldexp(1.0, std::max(std::ilogb(want), -126) - 23);
}

// The floats nearest to multiples of pi/2 in their binades, and those of the largest errors: all were tried.
constexpr float hard[] = {0x1.2d97c8p+2f, 0x1.f9cbe2p+7f, 0x1.4665d2p+25f, 0x1.47d0fep+34f, 0x1.628d4cp+40f, 0x1.0f79ap+57f, 0x1.13093p+76f,
                          0x1.32ede2p+85f, 0x1.abb4bp+89f, 0x1.f37c8ap+95f, 0x1.b08c4ap+111f, 0x1.aca316p+67f, 0x1.7b9146p+37f};

// Largest error over random floats of every exponent and both signs, the neighbours of zero, of 2^17 and of the largest float,
// and the hard ones; of those with the exponents from `from` to `to`.
double worst(function f, double (*reference)(double), int from = 0, int to = 254) {
  double most = 0;
  const auto one = [&](float x) {
    const int exponent = static_cast<int>(std::bit_cast<std::uint32_t>(x) >> 23 & 0xff);
    if (exponent >= from && exponent <= to && x != 0) most = std::max(most, ulps(f(x), reference(static_cast<double>(x))));
  };
  std::mt19937 random(7);
  for (std::uint32_t exponent = 0; exponent < 255; ++exponent)
    for (int i = 0; i < 2000; ++i) one(std::bit_cast<float>((exponent << 23) | (static_cast<std::uint32_t>(random()) & 0x807fffffu)));
  for (float x : hard) one(x), one(-x);
  for (std::uint32_t u = 0; u < 100; ++u) one(std::bit_cast<float>(u)), one(std::bit_cast<float>(0x7f7fffffu - u)), one(std::bit_cast<float>(0x48000000u + 50 - u));
  return most;
}
double sine(double x) { return std::sin(x); }
double cosine(double x) { return std::cos(x); }

}  // namespace

TEST_CASE("trig: at most the header's error over all floats") {
  CHECK(worst(math::sin, sine) <= bound);
  CHECK(worst(math::cos, cosine) <= bound);
}

TEST_CASE("trig: the same check rejects what is less exact") {
  // A third float of pi/2 left out.
  const function two_parts = [](float x) {
    const float n = std::rint(x * 0x1.45f306p-1f), r = std::fma(n, 0x1.777a5cp-25f, std::fma(n, -0x1.921fb6p+0f, x));
    const double y = (static_cast<int>(n) & 1) != 0 ? std::cos(static_cast<double>(r)) : std::sin(static_cast<double>(r));
    return static_cast<float>((static_cast<int>(n) & 2) != 0 ? -y : y);
  };
  CHECK(worst(two_parts, sine, 0, 143) > 2);
  // pi/2 as a double, for large angles.
  const function rounded_turn = [](float x) {
    return static_cast<float>(std::sin(std::remainder(static_cast<double>(x), 6.283185307179586)));
  };
  CHECK(worst(rounded_turn, sine, 144) > 2);
  // Angles whose low bits are missing: a neighbour's sine.
  const function neighbour = [](float x) { return math::sin(std::nextafter(x, 0.0f)); };
  CHECK(worst(neighbour, sine, 130, 143) > 2);
  CHECK(worst(neighbour, sine, 144) > 2);
  // 2 ulp off, here and there.
  const function rare = [](float x) {
    const float y = math::cos(x);
    return (std::bit_cast<std::uint32_t>(x) & 0xff) == 77 ? y * (1 + 2 * std::numeric_limits<float>::epsilon()) : y;
  };
  CHECK(worst(rare, cosine) > bound);
}

TEST_CASE("trig: special values") {
  constexpr float infinity = std::numeric_limits<float>::infinity(), nan_value = std::numeric_limits<float>::quiet_NaN();
  for (float x : {infinity, -infinity, nan_value}) {
    CHECK(std::isnan(math::sin(x)));
    CHECK(std::isnan(math::cos(x)));
  }
  for (float x : {0.0f, 1e-45f, 3e-39f, 1e-30f, 1e-4f}) {
    CHECK(std::bit_cast<std::uint32_t>(math::sin(x)) == std::bit_cast<std::uint32_t>(x));
    CHECK(std::bit_cast<std::uint32_t>(math::sin(-x)) == std::bit_cast<std::uint32_t>(-x));
    CHECK(math::cos(x) == 1.0f);
  }
}

TEST_CASE("trig: sin is odd and cos is even, bit by bit, and both stay within one") {
  std::mt19937 random(11);
  for (int i = 0; i < 300000; ++i) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(random()) & 0x7fffffffu);
    if (!std::isfinite(x)) continue;
    REQUIRE(std::bit_cast<std::uint32_t>(math::sin(-x)) == (std::bit_cast<std::uint32_t>(math::sin(x)) ^ 0x80000000u));
    REQUIRE(std::bit_cast<std::uint32_t>(math::cos(-x)) == std::bit_cast<std::uint32_t>(math::cos(x)));
    REQUIRE((std::abs(math::sin(x)) <= 1 && std::abs(math::cos(x)) <= 1));
  }
}
