// Philox-4x32-10: the known answers of the Random123 distribution (Salmon et al. 2011), uniform and normal moments.
#include "support/catch.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "formwork/core/philox.hpp"

namespace {

namespace philox = formwork::philox;
using philox::block;

// Known answers: counters and keys of zeros, of ones, and of the digits of pi.
static_assert(philox::philox_4x32_10({{0, 0, 0, 0}}, 0, 0) == block{{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}});
static_assert(philox::philox_4x32_10({{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u) ==
              block{{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}});
static_assert(philox::philox_4x32_10({{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}}, 0xa4093822u, 0x299f31d0u) ==
              block{{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}});

// The layout: element i is word i mod 4 of block i / 4; index and stream fill 64 bits each.
static_assert(philox::bits(0, 0, 2) == 0xbc57ac4cu);
static_assert(philox::bits(~std::uint64_t{0}, ~std::uint64_t{0}, 1) != philox::bits(~std::uint64_t{0}, ~std::uint64_t{0}, 5));
static_assert(philox::bits(0x299f31d0a4093822u, 0x0370734413198a2eu, (0x05a308d3243f6a88u << 2) + 3) ==
              philox::philox_4x32_10({{0x243f6a88u, 0x05a308d3u, 0x13198a2eu, 0x03707344u}}, 0xa4093822u, 0x299f31d0u).word[3]);
static_assert(philox::to_uniform(0) == 0.0f && philox::to_uniform(~0u) == 1.0f - 0x1p-24f);

struct moments {
  double mean = 0, variance = 0, third = 0, fourth = 0;
};
template <class F> moments raw_moments(int n, F f) {
  moments m;
  for (int i = 0; i < n; ++i) {
    const double x = f(static_cast<std::uint64_t>(i));
    m.mean += x / n;
    m.variance += x * x / n;
    m.third += x * x * x / n;
    m.fourth += x * x * x * x / n;
  }
  return m;
}
// The mean of n independent values with variance v lies within 5 sqrt(v / n) of its expectation, but for a
// probability of 6e-7.
bool within(double got, double expected, double variance, int n) { return std::abs(got - expected) <= 5 * std::sqrt(variance / n); }

}  // namespace

TEST_CASE("philox: moments of uniform") {
  // E x^k = 1/(k+1), Var x^k = 1/(2k+1) - 1/(k+1)^2
  constexpr int n = 200000;
  const auto check = [](auto f) {
    const moments m = raw_moments(n, f);
    const double got[] = {m.mean, m.variance, m.third, m.fourth};
    bool ok = true;
    for (int k = 1; k <= 4; ++k) ok = ok && within(got[k - 1], 1.0 / (k + 1), 1.0 / (2 * k + 1) - 1.0 / ((k + 1) * (k + 1)), n);
    return ok;
  };
  for (std::uint64_t seed : {0, 1, 77}) CHECK(check([&](std::uint64_t i) { return philox::uniform(seed, 3, i); }));
  CHECK_FALSE(check([](std::uint64_t i) { return 0.99 * philox::uniform(0, 3, i); }));        // 1% off
  CHECK_FALSE(check([](std::uint64_t) { return 0.5; }));
}

TEST_CASE("philox: moments and tails of normal") {
  // E x^2 = 1, E x^4 = 3; variances 1, 2, 15, 96
  constexpr int n = 200000;
  const auto check = [](auto f) {
    const moments m = raw_moments(n, f);
    return within(m.mean, 0, 1, n) && within(m.variance, 1, 2, n) && within(m.third, 0, 15, n) && within(m.fourth, 3, 96, n);
  };
  for (std::uint64_t seed : {0, 1, 77}) CHECK(check([&](std::uint64_t i) { return philox::normal(seed, 9, i); }));
  CHECK_FALSE(check([](std::uint64_t i) { return 1.02 * philox::normal(0, 9, i); }));
  CHECK_FALSE(check([](std::uint64_t i) { return std::sqrt(12.0) * (philox::uniform(0, 9, i) - 0.5); }));
  int beyond_2 = 0, beyond_3 = 0;
  for (int i = 0; i < n; ++i) {
    const double x = std::abs(philox::normal(5, 0, static_cast<std::uint64_t>(i)));
    beyond_2 += x > 2;
    beyond_3 += x > 3;
  }
  const double p2 = std::erfc(2 / std::sqrt(2.0)), p3 = std::erfc(3 / std::sqrt(2.0));
  CHECK(within(beyond_2 / double(n), p2, p2 * (1 - p2), n));
  CHECK(within(beyond_3 / double(n), p3, p3 * (1 - p3), n));
}

TEST_CASE("philox: normal is Box and Muller's formula") {
  // r = sqrt(-2 ln u), angle 2 pi v: an absolute error of a few ulp of the largest |x|, 6.7
  double worst = 0;
  for (std::uint64_t i = 0; i < 100000; ++i) {
    const std::uint64_t pair = i & ~std::uint64_t{1};
    // u is a float by definition; 32 bits of the angle survive
    const double u = std::fma(static_cast<float>(static_cast<std::int32_t>(philox::bits(2, 4, pair) >> 1)), 0x1p-31f, 0x1p-32f), v = philox::bits(2, 4, pair + 1) * 0x1p-32;
    const double r = std::sqrt(-2 * std::log(u)), angle = 2 * std::acos(-1.0) * v;
    worst = std::max(worst, std::abs(philox::normal(2, 4, i) - r * (i % 2 == 0 ? std::cos(angle) : std::sin(angle))));
  }
  CHECK(worst < 4 * 0x1p-22);
  CHECK(worst > 0);
  CHECK(std::isfinite(philox::to_normal(0, 0, false)));
  CHECK(philox::to_normal(0, 0, false) == Approx(std::sqrt(2 * 32 * std::log(2.0))).epsilon(1e-6));
  CHECK(philox::to_normal(~0u, 0, false) == 0.0f);
}

TEST_CASE("philox: neighbours and streams are uncorrelated") {
  constexpr int n = 100000;
  double lag[5] = {}, streams = 0, seeds = 0;
  for (int i = 0; i < n; ++i) {
    const auto at = [&](std::uint64_t seed, std::uint64_t stream, int k) { return philox::normal(seed, stream, static_cast<std::uint64_t>(i + k)); };
    const double x = at(1, 0, 0);
    for (int k = 1; k <= 4; ++k) lag[k] += x * at(1, 0, k) / n;
    streams += x * at(1, 1, 0) / n;
    seeds += x * at(2, 0, 0) / n;
  }
  for (int k = 1; k <= 4; ++k) CHECK(within(lag[k], 0, 1, n));
  CHECK(within(streams, 0, 1, n));
  CHECK(within(seeds, 0, 1, n));
}

TEST_CASE("philox: bounded integers fill their range evenly") {
  constexpr int n = 120000, bound = 12;
  std::array<int, bound> count{};
  for (int i = 0; i < n; ++i) {
    const std::uint32_t k = philox::bounded(8, 1, static_cast<std::uint64_t>(i), bound);
    REQUIRE(k < bound);
    ++count[k];
  }
  const double p = 1.0 / bound;
  for (int c : count) CHECK(within(c / double(n), p, p * (1 - p), n));
  CHECK(philox::bounded(8, 1, 5, 1) == 0);
}
