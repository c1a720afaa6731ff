// Elementary functions of packs against the C library's double functions, in units of the last place over all
// binades, and their special values. The bounds are those that the headers state.
#include "support/catch.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "formwork/backend/cpu/simd_math.hpp"

namespace {

namespace cpu = formwork::cpu;
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

// |got - want| in ulps of the binary32 binade of `want`; a wrong NaN or infinity counts a million.
double ulps(float got, double want) {
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e6;
  if (std::isnan(got)) return 1e6;
  const float rounded = static_cast<float>(want);
  if (got == rounded) return std::isinf(got) ? 0 : std::abs(double(got) - want) / std::ldexp(1.0, std::max(std::ilogb(want == 0 ? 1e-40 : want), -126) - 23);
  if (std::isinf(rounded)) return std::abs(got) == std::numeric_limits<float>::max() ? 1 : 1e6;
  if (std::isinf(got)) return std::abs(rounded) == std::numeric_limits<float>::max() ? 1 : 1e6;
  return std::abs(double(got) - want) / std::ldexp(1.0, std::max(std::ilogb(want == 0 ? 1e-40 : want), -126) - 23);
}

// Largest error of f over about `samples` floats of each sign in [low, high], equally spaced in their bits, which
// is evenly over the binades. The spacing is odd, so that all low bits occur.
template <int Width, class F, class G> double worst_ulps(F f, G reference, float low, float high, int samples = 300000) {
  double worst = 0;
  const auto scan = [&](std::uint32_t first, std::uint32_t last, std::uint32_t sign) {
    const std::uint64_t step = ((last - first) / static_cast<std::uint32_t>(samples)) | 1u;
    for (std::uint64_t u = first; u <= last; u += step * Width) {
      float x[Width], y[Width];
      for (int i = 0; i < Width; ++i)
        x[i] = std::bit_cast<float>(static_cast<std::uint32_t>(std::min<std::uint64_t>(u + i * step, last)) | sign);
      f(cpu::pack<float, Width>::load(x)).store(y);
      for (int i = 0; i < Width; ++i) worst = std::max(worst, ulps(y[i], reference(double(x[i]))));
    }
  };
  const auto bits = [](float x) { return std::bit_cast<std::uint32_t>(x) & 0x7fffffffu; };
  if (high > 0) scan(low > 0 ? bits(low) : 0, bits(high), 0);
  if (low < 0) scan(high < 0 ? bits(high) : 0, bits(low), 0x80000000u);
  return worst;
}

constexpr int native = cpu::native_width<float>;

// One function, at the native width and at the widths of one lane and of one SSE register.
template <class F, class G> double worst_of_widths(F f, G reference, float low, float high) {
  return std::max({worst_ulps<native>(f, reference, low, high), worst_ulps<1>(f, reference, low, high, 4000),
                   worst_ulps<4>(f, reference, low, high, 4000)});
}

template <class F> float at(F f, float x) {
  float y[native];
  f(cpu::pack<float, native>(x)).store(y);
  for (int i = 1; i < native; ++i) REQUIRE(std::bit_cast<std::uint32_t>(y[i]) == std::bit_cast<std::uint32_t>(y[0]));
  return y[0];
}
bool same(float a, float b) { return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b)); }

}  // namespace

#define PACKED(name) [](auto x) { return name(x); }
#define EXACT(name) [](double x) { return std::name(x); }

TEST_CASE("simd_math: errors in ulps") {
  CHECK(worst_of_widths(PACKED(exp), EXACT(exp), -87.33654f, 90.0f) <= 2);
  CHECK(worst_of_widths(PACKED(exp_of_negative), EXACT(exp), -87.33654f, -1e-40f) <= 2);
  CHECK(worst_of_widths(PACKED(expm1), EXACT(expm1), -120.0f, 90.0f) <= 2);
  CHECK(worst_of_widths(PACKED(tanh), EXACT(tanh), -50.0f, 50.0f) <= 2);
  CHECK(worst_of_widths(PACKED(erf), EXACT(erf), -10.0f, 10.0f) <= 2);
  CHECK(worst_of_widths(PACKED(log), EXACT(log), 0.0f, 3.4028235e38f) <= 2);
  CHECK(worst_of_widths(PACKED(log), EXACT(log), 0.5f, 2.0f) <= 2);
  CHECK(worst_of_widths(PACKED(log1p), EXACT(log1p), -0.99999994f, 3.4028235e38f) <= 2);
  CHECK(worst_of_widths(PACKED(sin), EXACT(sin), -1e4f, 1e4f) <= 2);
  CHECK(worst_of_widths(PACKED(cos), EXACT(cos), -1e4f, 1e4f) <= 2);
  CHECK(worst_of_widths(PACKED(sin), EXACT(sin), 1e3f, 1e4f) <= 2);
  CHECK(worst_of_widths(PACKED(sqrt), EXACT(sqrt), 0.0f, 3.4028235e38f) <= 0.5);
  CHECK(worst_of_widths(PACKED(rsqrt), [](double x) { return 1 / std::sqrt(x); }, 1e-45f, 3.4028235e38f) <= 1.5);
  CHECK(worst_of_widths(PACKED(sigmoid), [](double x) { return 1 / (1 + std::exp(-x)); }, -87.33654f, 1e30f) <= 3.5);
  for (float y : {2.0f, 3.0f, -1.5f, 0.1f, 3.3f, -20.25f, 0.5f}) {
    const auto power = [y](auto x) { return pow(x, y); };
    CHECK(worst_of_widths(power, [y](double x) { return std::pow(x, double(y)); }, 0.0f, 3.4028235e38f) <= 4);
  }
  CHECK(worst_of_widths([](auto x) { return pow(1.7f, x); }, [](double x) { return std::pow(double(1.7f), x); }, -300.0f, 300.0f) <= 4);
}

TEST_CASE("simd_math: the ulp check has teeth") {
  // exp that is 4 ulp too large, exp of a neighbour, and zeros: all above the bound that exp holds
  const auto reference = EXACT(exp);
  const auto off = [](auto x) { return exp(x) * (1.0f + 4 * 1.1920929e-7f); };
  CHECK(worst_ulps<native>(off, reference, -80.0f, 80.0f) > 3);
  CHECK(worst_ulps<native>([](auto x) { return exp(x + x * 1.2e-7f); }, reference, -80.0f, 80.0f) > 3);
  CHECK(worst_ulps<native>([](auto x) { return exp(x) * 0.0f; }, reference, -80.0f, 80.0f) > 1e3);
  // wrong on one float in a thousand
  const auto rare = [](auto x) {
    using p = decltype(x);
    const auto chosen = (formwork::cpu::bit_cast<std::int32_t>(x) & formwork::cpu::pack<std::int32_t, p::width>(0x3ff)) ==
                        formwork::cpu::pack<std::int32_t, p::width>(77);
    return select(chosen, exp(x) * (1.0f + 4 * 1.1920929e-7f), exp(x));
  };
  CHECK(worst_ulps<native>(rare, reference, -80.0f, 80.0f) > 3);
}

TEST_CASE("simd_math: sin and cos of large arguments") {
  double sine = 0, cosine = 0;
  for (int i = 0; i < 200000; i += native) {
    float x[native], s[native], c[native];
    for (int j = 0; j < native; ++j) x[j] = 1e4f + static_cast<float>(i + j) * 4.949f;
    sin(cpu::pack<float, native>::load(x)).store(s);
    cos(cpu::pack<float, native>::load(x)).store(c);
    for (int j = 0; j < native; ++j) {
      sine = std::max(sine, std::abs(s[j] - std::sin(double(x[j]))));
      cosine = std::max(cosine, std::abs(c[j] - std::cos(double(x[j]))));
    }
  }
  CHECK(sine <= 1e-6);
  CHECK(cosine <= 1e-6);
  CHECK(ulps(at(PACKED(sin), 1e30f), std::sin(double(1e30f))) <= 1);
  CHECK(std::isnan(at(PACKED(sin), infinity)));
  CHECK(std::isnan(at(PACKED(cos), -infinity)));
  CHECK(same(at(PACKED(sin), -0.0f), -0.0f));
}

TEST_CASE("simd_math: special values") {
  for (auto f : {+[](float x) { return at(PACKED(exp), x); }, +[](float x) { return at(PACKED(expm1), x); },
                 +[](float x) { return at(PACKED(log), x); }, +[](float x) { return at(PACKED(log1p), x); },
                 +[](float x) { return at(PACKED(tanh), x); }, +[](float x) { return at(PACKED(erf), x); },
                 +[](float x) { return at(PACKED(sin), x); }, +[](float x) { return at(PACKED(cos), x); },
                 +[](float x) { return at(PACKED(sqrt), x); }, +[](float x) { return at(PACKED(rsqrt), x); },
                 +[](float x) { return at(PACKED(sigmoid), x); }, +[](float x) { return at(PACKED(floor), x); },
                 +[](float x) { return at([](auto a) { return pow(a, 2.0f); }, x); }})
    CHECK(std::isnan(f(nan_value)));
  CHECK(same(at(PACKED(exp), -infinity), 0.0f));
  CHECK(same(at(PACKED(exp), -104.0f), 0.0f));
  CHECK(same(at(PACKED(exp), -1e30f), 0.0f));
  CHECK(at(PACKED(exp), 0.0f) == 1.0f);
  CHECK(at(PACKED(exp_of_negative), 0.0f) == 1.0f);
  CHECK(same(at(PACKED(exp_of_negative), -104.0f), 0.0f));
  CHECK(same(at(PACKED(exp_of_negative), -infinity), 0.0f));
  CHECK(std::isnan(at(PACKED(exp_of_negative), nan_value)));
  CHECK(at(PACKED(exp), 88.9f) == infinity);
  CHECK(at(PACKED(exp), infinity) == infinity);
  CHECK(at(PACKED(exp), -87.33654f) >= std::numeric_limits<float>::min());
  CHECK(at(PACKED(expm1), -infinity) == -1.0f);
  CHECK(at(PACKED(expm1), infinity) == infinity);
  CHECK(same(at(PACKED(expm1), -0.0f), -0.0f));
  CHECK(at(PACKED(log), 0.0f) == -infinity);
  CHECK(at(PACKED(log), -0.0f) == -infinity);
  CHECK(at(PACKED(log), infinity) == infinity);
  CHECK(std::isnan(at(PACKED(log), -1.0f)));
  CHECK(std::isnan(at(PACKED(log), -infinity)));
  CHECK(same(at(PACKED(log), 1.0f), 0.0f));
  CHECK(at(PACKED(log1p), -1.0f) == -infinity);
  CHECK(std::isnan(at(PACKED(log1p), -1.5f)));
  CHECK(at(PACKED(log1p), infinity) == infinity);
  CHECK(same(at(PACKED(log1p), -0.0f), -0.0f));
  for (float sign : {-1.0f, 1.0f}) {
    CHECK(at(PACKED(tanh), sign * infinity) == sign);
    CHECK(at(PACKED(erf), sign * infinity) == sign);
    CHECK(at(PACKED(erf), sign * 4.0f) == sign);
    CHECK(at(PACKED(tanh), sign * 20.0f) == sign);
    CHECK(same(at(PACKED(tanh), sign * 0.0f), sign * 0.0f));
    CHECK(same(at(PACKED(erf), sign * 0.0f), sign * 0.0f));
    CHECK(same(at(PACKED(sqrt), sign * 0.0f), sign * 0.0f));
    CHECK(same(at(PACKED(rsqrt), sign * 0.0f), sign * infinity));
  }
  CHECK(same(at(PACKED(rsqrt), infinity), 0.0f));
  CHECK(std::isnan(at(PACKED(rsqrt), -1.0f)));
  CHECK(same(at(PACKED(sigmoid), -infinity), 0.0f));
  CHECK(at(PACKED(sigmoid), infinity) == 1.0f);
  CHECK(at(PACKED(sigmoid), -1e30f) == 0.0f);
}

TEST_CASE("simd_math: pow at the special points of IEC 60559") {
  const float points[] = {0.0f, -0.0f, 1.0f, -1.0f, 0.5f, -0.5f, 2.0f, -2.0f, 3.0f, -3.0f, 1e-40f, -1e-40f, 8388609.0f,
                          16777216.0f, -8388607.0f, infinity, -infinity, nan_value, 2.5f, -2.5f, 1e30f, -1e30f};
  for (float x : points)
    for (float y : points) {
      const float got = at([y](auto a) { return pow(a, y); }, x), want = std::pow(x, y);
      INFO("pow(" << x << ", " << y << ") = " << got << ", expected " << want);
      CHECK((same(got, want) || (std::isfinite(want) && std::signbit(got) == std::signbit(want) && ulps(got, std::pow(double(x), double(y))) <= 4)));
    }
}

TEST_CASE("simd_math: min, max, abs, floor, isfinite, select") {
  using p = cpu::pack<float, native>;
  const float values[] = {-infinity, -3.5f, -0.0f, 0.0f, 1e-40f, 2.25f, 1e9f, infinity, nan_value};
  for (float a : values) {
    CHECK(same(at(PACKED(abs), a), std::abs(a)));
    CHECK(same(at(PACKED(floor), a), std::floor(a)));
    CHECK(isfinite(p(a))[0] == std::isfinite(a));
    CHECK(formwork::math::isfinite(a) == std::isfinite(a));
    for (float b : values) {
      const bool has_nan = std::isnan(a) || std::isnan(b);
      const float low = min(p(a), b)[native - 1], high = max(p(a), b)[0];
      CHECK((has_nan ? std::isnan(low) : low == std::min(a, b)));
      CHECK((has_nan ? std::isnan(high) : high == std::max(a, b)));
      CHECK((has_nan ? std::isnan(formwork::math::min(a, b)) : formwork::math::min(a, b) == low));
      CHECK((has_nan ? std::isnan(formwork::math::max(a, b)) : formwork::math::max(a, b) == high));
      CHECK(same(max(a, p(b))[0], high));
    }
  }
  using i = cpu::pack<std::int32_t, native>;
  CHECK(abs(i(-7))[0] == 7);
  CHECK(min(i(-7), i(3))[0] == -7);
  CHECK(max(i(-7), 3)[0] == 3);
  CHECK(select(p(1.0f) > p(0.0f), p(5.0f), 6.0f)[0] == 5.0f);
  CHECK(select(p(-1.0f) > p(0.0f), 5.0f, p(6.0f))[0] == 6.0f);
}

TEST_CASE("simd_math: double packs give the C library's results") {
  using p = cpu::pack<double, cpu::native_width<double>>;
  for (double x : {-3.7, -0.4, 0.0, 1e-9, 0.3, 2.0, 41.5}) {
    CHECK(exp(p(x))[0] == std::exp(x));
    CHECK(expm1(p(x))[0] == std::expm1(x));
    CHECK(tanh(p(x))[0] == std::tanh(x));
    CHECK(erf(p(x))[0] == std::erf(x));
    CHECK(sin(p(x))[0] == std::sin(x));
    CHECK(cos(p(x))[0] == std::cos(x));
    CHECK(log(p(x * x + 1e-3))[0] == std::log(x * x + 1e-3));
    CHECK(log1p(p(x * x))[0] == std::log1p(x * x));
    CHECK(sqrt(p(x * x))[0] == std::sqrt(x * x));
    CHECK(rsqrt(p(x * x + 1))[0] == 1 / std::sqrt(x * x + 1));
    CHECK(pow(p(x * x), 1.7)[0] == std::pow(x * x, 1.7));
    CHECK(floor(p(x))[0] == std::floor(x));
    CHECK(sigmoid(p(x))[0] == Approx(1 / (1 + std::exp(-x))).epsilon(1e-15));
  }
}
