// Packs and masks: memory of every element type and count, gathers, folds, conversions.
#include "support/catch.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "formwork/backend/cpu/simd_basic.hpp"

namespace {

namespace cpu = formwork::cpu;
using formwork::bf16;
using formwork::f16;

template <class T> constexpr T guard = static_cast<T>(99);

// Every count 0..Width: the counted elements arrive, the rest is zero; a store leaves what lies behind. The array
// ends with the counted elements, so that a sanitizer sees a read behind them.
template <class T, int Width> void check_partial() {
  for (int count = 0; count <= Width; ++count) {
    const std::unique_ptr<T[]> source(new T[static_cast<std::size_t>(count)]);
    T target[Width + 1];
    std::fill_n(target, Width + 1, guard<T>);
    for (int i = 0; i < count; ++i) source[static_cast<std::size_t>(i)] = static_cast<T>(i + 1);
    const auto x = cpu::pack<T, Width>::load(source.get(), count);
    for (int i = 0; i < Width; ++i) REQUIRE(x[i] == (i < count ? static_cast<T>(i + 1) : T(0)));
    (x + T(3)).store(target, count);
    for (int i = 0; i <= Width; ++i)
      REQUIRE(target[i] == (i < count ? static_cast<T>(i + 4) : guard<T>));
    const auto m = cpu::mask<T, Width>::first(count);
    for (int i = 0; i < Width; ++i) REQUIRE(m[i] == (i < count));
    REQUIRE(any(m) == (count > 0));
    REQUIRE(all(m) == (count == Width));
    REQUIRE(none(m) == (count == 0));
  }
  REQUIRE(all(cpu::mask<T, Width>::first(Width + 7)));
}
template <class T> void check_partial_widths() {
  check_partial<T, cpu::native_width<T>>();
  check_partial<T, 16 / sizeof(T)>();
  check_partial<T, 1>();
}

// pack<T> from and to memory of S, for every count.
template <class T, class S, int Width> void check_as(std::vector<S> (*values)(int)) {
  const auto source = values(Width);
  const auto whole = cpu::load_as<T, Width>(source.data());
  for (int i = 0; i < Width; ++i) REQUIRE(whole[i] == static_cast<T>(source[static_cast<std::size_t>(i)]));
  for (int count = 0; count <= Width; ++count) {
    const std::vector<S> exact(source.begin(), source.begin() + count);
    const auto x = cpu::load_as<T, Width>(exact.data(), count);
    for (int i = 0; i < Width; ++i) REQUIRE(x[i] == (i < count ? whole[i] : T(0)));
    std::vector<S> back(static_cast<std::size_t>(Width), static_cast<S>(1));
    cpu::store_as(back.data(), whole, count);
    for (int i = 0; i < Width; ++i) {
      const S expected = i < count ? source[static_cast<std::size_t>(i)] : static_cast<S>(1);
      REQUIRE(static_cast<T>(back[static_cast<std::size_t>(i)]) == static_cast<T>(expected));
    }
  }
  std::vector<S> back(static_cast<std::size_t>(Width));
  cpu::store_as(back.data(), whole);
  for (int i = 0; i < Width; ++i) REQUIRE(static_cast<T>(back[static_cast<std::size_t>(i)]) == whole[i]);
}
template <class S> std::vector<S> ramp(int n) {
  std::vector<S> v;
  for (int i = 0; i < n; ++i) v.push_back(static_cast<S>(static_cast<float>(i * 15 + 7)));
  return v;
}
constexpr int floats = cpu::native_width<float>;
using pf = cpu::pack<float, floats>;

}  // namespace

TEST_CASE("simd: partial loads and stores touch the counted lanes only") {
  check_partial_widths<float>();
  check_partial_widths<double>();
  check_partial_widths<std::int32_t>();
  check_partial_widths<std::int64_t>();
  check_partial_widths<std::uint16_t>();
  check_partial_widths<std::uint8_t>();
}

TEST_CASE("simd: memory of other element types") {
  check_as<float, bf16, floats>(ramp<bf16>);
  check_as<float, bf16, 4>(ramp<bf16>);
  check_as<float, bf16, 1>(ramp<bf16>);
  check_as<std::int32_t, std::uint8_t, floats>(ramp<std::uint8_t>);
  check_as<float, std::uint8_t, floats>(ramp<std::uint8_t>);
  check_as<float, std::int32_t, floats>(ramp<std::int32_t>);
  check_as<float, float, floats>(ramp<float>);
  check_as<double, float, cpu::native_width<double>>(ramp<float>);
  check_as<double, bf16, cpu::native_width<double>>(ramp<bf16>);
  check_as<float, f16, floats>(ramp<f16>);
  check_as<float, f16, 8>(ramp<f16>);
  check_as<float, f16, 1>(ramp<f16>);
  check_as<double, f16, cpu::native_width<double>>(ramp<f16>);
  check_as<std::int64_t, std::int32_t, cpu::native_width<double>>(ramp<std::int32_t>);
}

TEST_CASE("simd: bfloat16 rounds as the scalar type does") {
  std::uint32_t u = 12345;
  for (int round = 0; round < 20000; ++round) {
    float x[floats];
    bf16 y[floats];
    for (float& e : x) e = std::bit_cast<float>(u = u * 1664525u + 1013904223u);
    if (round % 3 == 0) for (float& e : x) e = std::bit_cast<float>((std::bit_cast<std::uint32_t>(e) & 0xffff0000u) | 0x8000u);   // ties
    cpu::store_as(y, pf::load(x));
    for (int i = 0; i < floats; ++i) REQUIRE(y[i].bits == bf16(x[i]).bits);
  }
}

TEST_CASE("simd: binary16 is what the scalar type makes of it, in both directions") {
  for (unsigned first = 0; first < 0x10000u; first += floats) {
    f16 from[floats], back[floats];
    for (unsigned i = 0; i < floats; ++i) from[i].bits = static_cast<std::uint16_t>(first + i);
    const pf wide = cpu::load_as<float>(from);
    cpu::store_as(back, wide);
    for (int i = 0; i < floats; ++i) {
      const float expected = from[i];
      if (expected != expected) REQUIRE(wide[i] != wide[i]);
      else REQUIRE(std::bit_cast<std::uint32_t>(wide[i]) == std::bit_cast<std::uint32_t>(expected));
      if (expected == expected) REQUIRE(back[i].bits == from[i].bits);
    }
  }
  // What lies between two of them, ties included, over the whole range of the exponent.
  std::uint32_t u = 12345;
  for (int round = 0; round < 20000; ++round) {
    float x[floats];
    f16 y[floats];
    for (float& e : x) {
      u = u * 1664525u + 1013904223u;
      e = std::bit_cast<float>((u & 0x80ffffffu) + 0x32000000u + (u >> 3 & 0x0f000000u));  // 2^-27 ... 2^5
      if (round % 2 == 0) e *= 0x1p13f;                                                    // ... 2^18
      if (round % 3 == 0) e = std::bit_cast<float>((std::bit_cast<std::uint32_t>(e) & 0xffffe000u) | 0x1000u);
    }
    cpu::store_as(y, pf::load(x));
    for (int i = 0; i < floats; ++i) REQUIRE(y[i].bits == f16(x[i]).bits);
  }
}

TEST_CASE("simd: masks as boolean bytes") {
  const auto check = []<class T, int Width>(cpu::pack<T, Width>) {
    for (int count = 0; count <= Width; ++count) {
      bool bytes[Width + 1], back[Width + 1] = {};
      for (int i = 0; i < Width; ++i) bytes[i] = i % 3 == 1;
      const auto m = cpu::mask<T, Width>::load(bytes, count);
      for (int i = 0; i < Width; ++i) REQUIRE(m[i] == (i < count && bytes[i]));
      back[count] = true;
      cpu::mask<T, Width>::load(bytes).store(back, count);
      for (int i = 0; i < count; ++i) REQUIRE(back[i] == bytes[i]);
      REQUIRE(back[count]);
      cpu::mask<T, Width>::load(bytes).store(back);
      REQUIRE(std::equal(back, back + Width, bytes));
    }
  };
  check(pf{});
  check(cpu::pack<double, cpu::native_width<double>>{});
  check(cpu::pack<std::int32_t, 1>{});
}

TEST_CASE("simd: gathers and strides") {
  const auto check = []<class T, int Width>(cpu::pack<T, Width>) {
    T base[100];
    std::iota(base, base + 100, T(0));
    std::int32_t index[Width];
    for (int i = 0; i < Width; ++i) index[i] = (i * 37 + 5) % 100;
    for (int count = 0; count <= Width; ++count) {
      for (int i = count; i < Width; ++i) index[i] = 1 << 30;                 // must not be used
      for (int i = 0; i < count; ++i) index[i] = (i * 37 + 5) % 100;
      const auto x = gather(base, cpu::pack<std::int32_t, Width>::load(index), count);
      for (int i = 0; i < Width; ++i) REQUIRE(x[i] == (i < count ? base[index[i]] : T(0)));
    }
    const auto s = cpu::pack<T, Width>::load_strided(base, 3);
    for (int i = 0; i < Width; ++i) REQUIRE(s[i] == base[3 * i]);
    T spread[3 * Width] = {};
    s.store_strided(spread, 3, Width);
    for (int i = 0; i < Width; ++i) REQUIRE(spread[3 * i] == base[3 * i]);
  };
  check(pf{});
  check(cpu::pack<std::int32_t, floats>{});
  check(cpu::pack<double, cpu::native_width<double>>{});
  check(cpu::pack<float, 1>{});
}

TEST_CASE("simd: folds have the halving order") {
  const auto check = []<class T, int Width>(cpu::pack<T, Width>) {
    T x[Width], sum[Width];
    for (int i = 0; i < Width; ++i) sum[i] = x[i] = static_cast<T>(std::ldexp(1.0 + i * 0.37, (i * 7) % 11 - 5));
    for (int half = Width / 2; half > 0; half /= 2) for (int i = 0; i < half; ++i) sum[i] += sum[i + half];
    const auto p = cpu::pack<T, Width>::load(x);
    CHECK(reduce_add(p) == sum[0]);
    CHECK(reduce_max(p) == *std::max_element(x, x + Width));
    CHECK(reduce_min(p) == *std::min_element(x, x + Width));
    for (int i = 0; i < Width; ++i) {                                          // a NaN in any lane is seen
      auto q = p;
      q.v[i] = std::numeric_limits<T>::quiet_NaN();
      CHECK(std::isnan(reduce_max(q)));
      CHECK(std::isnan(reduce_min(q)));
      CHECK(std::isnan(reduce_add(q)));
    }
  };
  check(pf{});
  check(cpu::pack<float, 4>{});
  check(cpu::pack<float, 2>{});
  check(cpu::pack<float, 1>{});
  check(cpu::pack<double, cpu::native_width<double>>{});
  CHECK(reduce_mul(cpu::pack<std::int32_t, 4>::iota(1)) == 24);
}

TEST_CASE("simd: arithmetic, bits and conversions") {
  CHECK(std::signbit(pf(-0.0f)[floats - 1]));
  CHECK(pf::iota(3.0f)[floats - 1] == 3.0f + (floats - 1));
  const auto i = cpu::pack<std::int32_t, floats>::iota(-2);
  CHECK((i % 3)[0] == -2);
  CHECK(((i & 3) | 8)[0] == ((-2 & 3) | 8));
  CHECK(((i ^ 5) << 2)[1] == ((-1 ^ 5) * 4));
  CHECK((i >> 1)[0] == -1);
  const cpu::pack<std::int32_t, floats> largest(std::numeric_limits<std::int32_t>::max());
  CHECK((largest + 1)[0] == std::numeric_limits<std::int32_t>::min());        // integers wrap around
  CHECK((largest * largest)[0] == 1);
  CHECK(cpu::convert<float>(i)[0] == -2.0f);
  CHECK(cpu::convert<std::int32_t>(pf(-2.75f))[0] == -2);
  CHECK(cpu::bit_cast<std::int32_t>(pf(1.0f))[0] == 0x3f800000);
  // fused where the instruction set has it, at every width alike
  const float a = 1.0f + 0x1p-12f, fused = std::fma(a, a, -1.0f), twice = static_cast<float>(double(a) * a) - 1.0f;
#if defined(__FMA__)
  const float expected = fused;
#else
  const float expected = twice;
#endif
  CHECK(fused != twice);
  CHECK(fma(pf(a), pf(a), pf(-1.0f))[0] == expected);
  CHECK(fma(cpu::pack<float, 1>(a), a, -1.0f)[0] == expected);
  CHECK(fma(cpu::pack<float, 2>(a), a, -1.0f)[1] == expected);
  CHECK(select(pf(1.0f) < pf(2.0f), cpu::pack<std::int32_t, floats>(4), cpu::pack<std::int32_t, floats>(5))[0] == 4);
}
