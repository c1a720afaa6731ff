// The random numbers of a program, written independently of the library: Philox4x32-10 (Salmon et al. 2011,
// "Parallel random numbers: as easy as 1, 2, 3", table 2).
//
//   key      seed, as two words, low first
//   counter  words 0 and 1: element / 4;  word 2: the node's stream * 65536 + iteration of the loop that holds the
//            node (0 outside loops; nested loops count row-major);  word 3: step
//   number   the upper 24 bits of result word element % 4, times 2^-24: in [0, 1), exact in f32
#pragma once

#include <array>
#include <cstdint>

namespace formwork::testing {

constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    std::uint64_t a = 0xD2511F53ull * c[0], b = 0xCD9E8D57ull * c[2];
    c = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(b),
         static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(a)};
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  return c;
}

struct random_place {
  std::uint64_t seed = 0;
  std::uint32_t step = 0, stream = 0, iteration = 0;
  std::uint64_t element = 0;
};

constexpr double random_counter(random_place p) {
  auto words = philox({static_cast<std::uint32_t>(p.element / 4), static_cast<std::uint32_t>(p.element / 4 >> 32), p.stream << 16 | p.iteration, p.step},
                      {static_cast<std::uint32_t>(p.seed), static_cast<std::uint32_t>(p.seed >> 32)});
  return (words[p.element % 4] >> 8) * 0x1p-24;
}

// Known answers of the authors' implementation (Random123, kat_vectors).
static_assert(philox({0, 0, 0, 0}, {0, 0}) == std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
              std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});

}  // namespace formwork::testing
