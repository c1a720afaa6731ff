// Philox-4x32-10 for packs of consecutive elements, with the bits of core/philox.hpp. A register of W words holds
// the W/4 blocks one after the other as memory would: the widening product of even words is what a round needs,
// so a round is a product, a shuffle, a shift and an exclusive or. Elements come out in their order.
#pragma once

#include "../../core/philox.hpp"
#include "simd_basic.hpp"
#include "simd_shuffle.hpp"

namespace formwork::cpu {

namespace detail {
// Even words times even words, as 64-bit products.
template <int Width>
FORMWORK_INLINE pack<std::uint64_t, Width / 2> widening_product(pack<std::uint32_t, Width> a, pack<std::uint32_t, Width> b) {
  using result = pack<std::uint64_t, Width / 2>;
  using vector [[maybe_unused]] = typename result::vector;
#if defined(__AVX512F__)
  if constexpr (Width == 16) return {(vector)_mm512_maskz_mul_epu32(0xff, (__m512i)a.v, (__m512i)b.v)};
#endif
#if defined(__AVX2__)
  if constexpr (Width == 8) return {(vector)_mm256_mul_epu32((__m256i)a.v, (__m256i)b.v)};
#endif
#if defined(__SSE2__)
  if constexpr (Width == 4) return {(vector)_mm_mul_epu32((__m128i)a.v, (__m128i)b.v)};
#endif
  result r(0);
  for (int i = 0; i < Width / 2; ++i) r.v[i] = std::uint64_t{a.v[2 * i]} * b.v[2 * i];
  return r;
}

// {v, 0, w, 0} in every block.
template <int Width> FORMWORK_INLINE pack<std::uint32_t, Width> alternating(std::uint32_t v, std::uint32_t w) {
  return [&]<int... I>(std::integer_sequence<int, I...>) {
    return pack<std::uint32_t, Width>(
        (typename pack<std::uint32_t, Width>::vector){(I % 4 == 0 ? v : I % 4 == 2 ? w : 0u)...});
  }(std::make_integer_sequence<int, Width>{});
}
// v, w, v, w, ...
template <int Width> FORMWORK_INLINE pack<std::uint32_t, Width> every_other(std::uint32_t v, std::uint32_t w) {
  const pack<std::uint64_t, Width / 2> both(std::uint64_t{v} | (std::uint64_t{w} << 32));
  return {(typename pack<std::uint32_t, Width>::vector)both.v};
}
// Per block of four: words chosen by A, B, C, D.
template <int A, int B, int C, int D, int Width>
FORMWORK_INLINE pack<std::uint32_t, Width> within_blocks(pack<std::uint32_t, Width> a) {
  return [&]<int... I>(std::integer_sequence<int, I...>) {
    constexpr int from[4] = {A, B, C, D};
    return shuffle<((I & ~3) + from[I & 3])...>(a, a);
  }(std::make_integer_sequence<int, Width>{});
}

// Blocks first, first + 1, ..., first + Width/4 - 1.
template <int Width>
FORMWORK_INLINE pack<std::uint32_t, Width> philox_blocks(std::uint64_t seed, std::uint64_t stream, std::uint64_t first) {
  using words = pack<std::uint32_t, Width>;
  using longs = pack<std::uint64_t, Width / 2>;
  using word_vector = typename words::vector;
  const auto constant = []<int... I>(std::integer_sequence<int, I...>, auto f) {
    return longs((typename longs::vector){f(std::uint64_t{I})...});
  };
  constexpr std::make_integer_sequence<int, Width / 2> all{};
  const longs step = constant(all, [](std::uint64_t i) { return i / 2; });
  const longs even = constant(all, [](std::uint64_t i) { return i % 2 - 1; });             // all bits where i is even
  const longs counter = ((longs(first) + step) & even) | (longs(stream) & (even ^ longs(~std::uint64_t{0})));
  words x((word_vector)counter.v);
  const words factors = alternating<Width>(philox::multiplier_0, philox::multiplier_1);
  words key = alternating<Width>(static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
  const words weyl = alternating<Width>(philox::weyl_0, philox::weyl_1);
  const auto round = [&] {
    // {low a, high a, low b, high b} -> {high b, low b, high a, low a}
    const words product = within_blocks<3, 2, 1, 0>(words((word_vector)widening_product(x, factors).v));
    const words kept((word_vector)(longs((typename longs::vector)x.v) >> 32).v);          // {x1, 0, x3, 0}
    x = product ^ kept ^ key;
    key = key + weyl;
  };
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (((void)I, round()), ...);
  }(std::make_integer_sequence<int, philox::rounds>{});
  return x;
}

template <int Width>
FORMWORK_INLINE pack<float, Width> normal_of_words(pack<std::uint32_t, Width> words) {
  using p = pack<float, Width>;
#if defined(__FMA__) || defined(__AVX512F__)
  using c = philox::normal_constants;
  using integers = pack<std::int32_t, Width>;
  const auto even = within_blocks<0, 0, 2, 2>(words), odd = within_blocks<1, 1, 3, 3>(words);
  const p u = fma(convert<float>(bit_cast<std::int32_t>(even >> 1)), 0x1p-31f, 0x1p-32f);
  const integers shifted = bit_cast<std::int32_t>(u) - integers(c::sqrt_half);
  const p f = bit_cast<float>((shifted & integers(0x7fffff)) + integers(c::sqrt_half)) - 1.0f;
  p q(c::log[7]);
  for (int i = 6; i >= 0; --i) q = fma(q, f, c::log[i]);
  const p log_u = fma(convert<float>(shifted >> 23), c::ln2, fma(f * f, fma(f, q, -0.5f), f));
  const p radius = sqrt(max(log_u * -2.0f, 0.0f));

  const auto angle = bit_cast<std::int32_t>(odd + every_other<Width>(0x40000000u, 0));
  const auto quarter = angle + integers(0x40000000);
  const integers folded = select(quarter < integers(0), integers(std::numeric_limits<std::int32_t>::min()) - angle, angle);
  const p t = convert<float>(folded) * 0x1p-30f, z = t * t;
  p s(c::sine[4]);
  for (int i = 3; i >= 0; --i) s = fma(s, z, c::sine[i]);
  return radius * (t * s);
#else
  p r;                                                  // no fused instruction: the scalar function has the bits
  for (int i = 0; i < Width; ++i) r.v[i] = philox::to_normal(words.v[i & ~1], words.v[i | 1], i % 2 != 0);
  return r;
#endif
}

// f(words of a block-aligned run) from element `first` on, which need not be aligned.
template <int Width, class F>
FORMWORK_INLINE auto philox_run(std::uint64_t seed, std::uint64_t stream, std::uint64_t first, F f) {
  const auto low = f(philox_blocks<Width>(seed, stream, first / 4));
  if (first % 4 == 0) [[likely]] return low;
  const auto high = f(philox_blocks<Width>(seed, stream, first / 4 + Width / 4));
  typename decltype(low)::element both[2 * Width];
  low.store(both);
  high.store(both + Width);
  return decltype(low)(decltype(low)::load(both + first % 4));
}
}  // namespace detail

// 32 random bits of elements first, ..., first + Width - 1.
template <int Width = native_width<std::uint32_t>>
FORMWORK_INLINE pack<std::uint32_t, Width> random_bits(std::uint64_t seed, std::uint64_t stream, std::uint64_t first) {
  if constexpr (Width % 4 == 0) return detail::philox_run<Width>(seed, stream, first, [](auto words) { return words; });
  else {
    pack<std::uint32_t, Width> r(0);
    for (int i = 0; i < Width; ++i) r.v[i] = philox::bits(seed, stream, first + static_cast<std::uint64_t>(i));
    return r;
  }
}

// In [0, 1), as philox::uniform.
template <int Width = native_width<float>>
FORMWORK_INLINE pack<float, Width> random_uniform(std::uint64_t seed, std::uint64_t stream, std::uint64_t first) {
  const auto upper = bit_cast<std::int32_t>(random_bits<Width>(seed, stream, first) >> 8);
  return convert<float>(upper) * pack<float, Width>(0x1p-24f);
}

// Mean 0, variance 1, as philox::normal.
template <int Width = native_width<float>>
FORMWORK_INLINE pack<float, Width> random_normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t first) {
  if constexpr (Width % 4 == 0)
    return detail::philox_run<Width>(seed, stream, first, [](auto words) { return detail::normal_of_words(words); });
  else {
    pack<float, Width> r(0.0f);
    for (int i = 0; i < Width; ++i) r.v[i] = philox::normal(seed, stream, first + static_cast<std::uint64_t>(i));
    return r;
  }
}

}  // namespace formwork::cpu
