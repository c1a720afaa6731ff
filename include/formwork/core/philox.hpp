// Random numbers without state: Philox-4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011) turns a counter and a key into 128 random bits. Element i of a tensor takes word i mod 4 of
// the block with counter {i / 4, stream}, keyed by the seed: the same number on every backend, for any vector
// width and any split of the work. A stream is one use of randomness (one dropout layer in one step, one
// parameter's initial values). backend/cpu/simd_philox.hpp gives whole packs with equal bits.
#pragma once

#include <bit>
#include <cstdint>

#include "config.hpp"
#include "math.hpp"

namespace formwork::philox {

inline constexpr std::uint32_t multiplier_0 = 0xD2511F53u, multiplier_1 = 0xCD9E8D57u;
inline constexpr std::uint32_t weyl_0 = 0x9E3779B9u, weyl_1 = 0xBB67AE85u;   // golden ratio, sqrt(3) - 1
inline constexpr int rounds = 10;

// Four words: a counter, or the random bits of one.
struct block {
  std::uint32_t word[4];
  FORMWORK_FN friend constexpr bool operator==(const block& a, const block& b) {
    return a.word[0] == b.word[0] && a.word[1] == b.word[1] && a.word[2] == b.word[2] && a.word[3] == b.word[3];
  }
};

// 128 random bits: ten rounds of two 32 x 32 -> 64 bit products, whose halves are crossed.
FORMWORK_FN constexpr block philox_4x32_10(block counter, std::uint32_t key_0, std::uint32_t key_1) {
  block x = counter;
  for (int round = 0; round < rounds; ++round) {
    const std::uint64_t a = std::uint64_t{multiplier_0} * x.word[0], b = std::uint64_t{multiplier_1} * x.word[2];
    x = {{static_cast<std::uint32_t>(b >> 32) ^ x.word[1] ^ key_0, static_cast<std::uint32_t>(b),
          static_cast<std::uint32_t>(a >> 32) ^ x.word[3] ^ key_1, static_cast<std::uint32_t>(a)}};
    key_0 += weyl_0;
    key_1 += weyl_1;
  }
  return x;
}

// Elements 4 b, ..., 4 b + 3 of a stream.
FORMWORK_FN constexpr block block_of(std::uint64_t seed, std::uint64_t stream, std::uint64_t b) {
  return philox_4x32_10({{static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(b >> 32),
                          static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)}},
                        static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
}

// 32 random bits of element `index`.
FORMWORK_FN constexpr std::uint32_t bits(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  const block b = block_of(seed, stream, index / 4);
  const std::uint32_t low = index % 2 == 0 ? b.word[0] : b.word[1], high = index % 2 == 0 ? b.word[2] : b.word[3];
  return index % 4 < 2 ? low : high;  // by choices, so that a GPU keeps the block in registers
}

// The upper 24 bits as a float in [0, 1): multiples of 2^-24, each with probability 2^-24.
FORMWORK_FN constexpr float to_uniform(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }
FORMWORK_FN constexpr float uniform(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  return to_uniform(bits(seed, stream, index));
}

// An integer in [0, bound), floor(word bound / 2^32): each has its probability to within 2^-32.
FORMWORK_FN constexpr std::uint32_t bounded(std::uint64_t seed, std::uint64_t stream, std::uint64_t index,
                                            std::uint32_t bound) {
  return static_cast<std::uint32_t>((std::uint64_t{bits(seed, stream, index)} * bound) >> 32);
}

// The polynomials of `normal`, fitted by Remez exchange. Every multiplication that is followed by an addition is
// written as fma, so that no compiler can round differently: the bits are the same everywhere.
struct normal_constants {
  static constexpr std::int32_t sqrt_half = 0x3f3504f3;
  // log(1 + f) = f - f^2/2 + f^3 q(f), 1 + f in [sqrt(1/2), sqrt(2)), relative error 6e-9
  static constexpr float log[8] = {3.33333313e-1f, -2.50007927e-1f, 2.00013012e-1f, -1.66242182e-1f,
                                   1.42010450e-1f, -1.31521299e-1f, 1.27620786e-1f, -7.65408128e-2f};
  static constexpr float ln2 = 0.693147182f;
  // sin(pi/2 t) = t p(t^2), |t| <= 1, relative error 5e-9
  static constexpr float sine[5] = {1.57079637f, -6.45963728e-1f, 7.96896815e-2f, -4.67377156e-3f, 1.51487533e-4f};
};

// p(x) of normal_constants::log (Which 0) or ::sine (1) from coefficient I on, as Horner's scheme. Coefficients are
// constants here: device code cannot index a host's array.
template <int Which, int I = 0> FORMWORK_FN inline float normal_polynomial(float x) {
  constexpr int last = Which == 0 ? 7 : 4;
  constexpr float coefficient = Which == 0 ? normal_constants::log[I] : normal_constants::sine[I % 5];
  if constexpr (I == last) return coefficient;
  else return math::fma(normal_polynomial<Which, I + 1>(x), x, coefficient);
}

// sqrt(-2 ln u) with u = (word/2 + 1/2) / 2^31 in (0, 1], rounded to float: at most 6.67.
FORMWORK_FN inline float normal_radius(std::uint32_t word) {
  using c = normal_constants;
  const float u = math::fma(static_cast<float>(static_cast<std::int32_t>(word >> 1)), 0x1p-31f, 0x1p-32f);
  const std::int32_t shifted = std::bit_cast<std::int32_t>(u) - c::sqrt_half;
  const float k = static_cast<float>(shifted >> 23);
  const float f = std::bit_cast<float>((shifted & 0x7fffff) + c::sqrt_half) - 1.0f;
  const float q = normal_polynomial<0>(f);
  const float log_u = math::fma(k, c::ln2, math::fma(f * f, math::fma(f, q, -0.5f), f));
  return math::sqrt(math::max(-2.0f * log_u, 0.0f));
}

// sin(2 pi word / 2^32): folded to a quarter turn each way in integers.
FORMWORK_FN inline float normal_sine(std::uint32_t word) {
  const bool fold = ((word + 0x40000000u) >> 31) != 0;                       // beyond a quarter turn
  const float t = static_cast<float>(static_cast<std::int32_t>(fold ? 0x80000000u - word : word)) * 0x1p-30f;
  const float z = t * t;
  return t * normal_polynomial<1>(z);
}

// A normal number with mean 0 and variance 1 (Box and Muller 1958): elements 2 j and 2 j + 1 are the cosine and
// the sine part of one pair of words.
FORMWORK_FN inline float to_normal(std::uint32_t even_word, std::uint32_t odd_word, bool odd) {
  return normal_radius(even_word) * normal_sine(odd ? odd_word : odd_word + 0x40000000u);
}
FORMWORK_FN inline float normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  const block x = block_of(seed, stream, index / 4);
  const int pair = static_cast<int>(index % 4) & ~1;
  return to_normal(x.word[pair], x.word[pair + 1], index % 2 != 0);
}

}  // namespace formwork::philox
