// Random numbers of the pairs of an attention, which lie in memory nowhere: a pair is an element of (batch, head, query,
// key), and lanes are neighbours along the keys or `Step` elements apart, along the queries. Along the queries a block of
// Philox gives each lane four keys in a row: the next three vectors find theirs in what the first one left.
#pragma once

#include "simd_philox.hpp"

namespace formwork::cpu {

namespace detail {

// The four words of blocks block[0], ..., block[Width - 1]: word w of lane i's block in lane i of x[w].
template <int Width>
FORMWORK_INLINE void philox_lanes(std::uint64_t seed, std::uint64_t stream, const std::uint64_t* block, pack<std::uint32_t, Width> (&x)[4]) {
  using words = pack<std::uint32_t, Width>;
  if constexpr (Width % 4 != 0) {
    for (int i = 0; i < Width; ++i) {
      const philox::block b = philox::block_of(seed, stream, block[i]);
      for (int w = 0; w < 4; ++w) x[w].v[i] = b.word[w];
    }
  } else {
    using longs = pack<std::uint64_t, Width / 2>;
    using word_vector = typename words::vector;
    struct product { words low, high; };
    // The products' halves, each in its lane.
    const auto multiply = [](words a, std::uint32_t factor) {
      const words f(factor), odd((word_vector)(longs((typename longs::vector)a.v) >> 32).v);
      const words of_even((word_vector)widening_product(a, f).v), of_odd((word_vector)widening_product(odd, f).v);
      return [&]<int... I>(std::integer_sequence<int, I...>) {
        return product{shuffle<(I % 2 == 0 ? I : Width + I - 1)...>(of_even, of_odd), shuffle<(I % 2 == 0 ? I + 1 : Width + I)...>(of_even, of_odd)};
      }(std::make_integer_sequence<int, Width>{});
    };
    alignas(64) std::uint32_t low[Width], high[Width];
    for (int i = 0; i < Width; ++i) low[i] = static_cast<std::uint32_t>(block[i]), high[i] = static_cast<std::uint32_t>(block[i] >> 32);
    x[0] = words::load(low);
    x[1] = words::load(high);
    x[2] = words(static_cast<std::uint32_t>(stream));
    x[3] = words(static_cast<std::uint32_t>(stream >> 32));
    std::uint32_t key_0 = static_cast<std::uint32_t>(seed), key_1 = static_cast<std::uint32_t>(seed >> 32);
    FORMWORK_UNROLL_HOST
    for (int round = 0; round < philox::rounds; ++round) {
      const product a = multiply(x[0], philox::multiplier_0), b = multiply(x[2], philox::multiplier_1);
      x[0] = b.high ^ x[1] ^ words(key_0);
      x[1] = b.low;
      x[2] = a.high ^ x[3] ^ words(key_1);
      x[3] = a.low;
      key_0 += philox::weyl_0;
      key_1 += philox::weyl_1;
    }
  }
}

}  // namespace detail

// What one use of randomness has from its last block.
template <int Width> struct random_blocks {
  std::uint64_t first = ~std::uint64_t{0};  // the number of lane 0's block
  pack<std::uint32_t, Width> word[4];
};

// 32 random bits of the elements first, first + Step, ..., first + (Width - 1) Step.
template <long Step, int Width>
FORMWORK_INLINE pack<std::uint32_t, Width> random_bits_apart(std::uint64_t seed, std::uint64_t stream, std::uint64_t first, random_blocks<Width>& left) {
  const auto draw = [&](pack<std::uint32_t, Width> (&word)[4]) FORMWORK_INLINE_LAMBDA {
    std::uint64_t block[Width];
    for (int i = 0; i < Width; ++i) block[i] = (first + static_cast<std::uint64_t>(i * Step)) / 4;
    detail::philox_lanes<Width>(seed, stream, block, word);
  };
  if constexpr (Step % 4 == 0) {  // every lane takes the same word
    if (left.first != first / 4) {
      draw(left.word);
      left.first = first / 4;
    }
    return left.word[first % 4];
  } else {
    pack<std::uint32_t, Width> word[4], r;
    draw(word);
    for (int i = 0; i < Width; ++i) r.v[i] = word[(first + static_cast<std::uint64_t>(i * Step)) % 4].v[i];
    return r;
  }
}

// In [0, 1), as philox::uniform.
template <class T, long Step, int Width>
FORMWORK_INLINE pack<T, Width> random_uniform_apart(std::uint64_t seed, std::uint64_t stream, std::uint64_t first, random_blocks<Width>& left) {
  const auto bits = [&] {
    if constexpr (Step == 1) return random_bits<Width>(seed, stream, first);
    else return random_bits_apart<Step>(seed, stream, first, left);
  }();
  return convert<T>(bit_cast<std::int32_t>(bits >> 8)) * pack<T, Width>(T(0x1p-24));
}

}  // namespace formwork::cpu
