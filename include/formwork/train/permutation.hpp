// A permutation of 0..n-1 that needs no memory: a shuffle of which any element can be asked at any time.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "checksum.hpp"

namespace formwork::train {

// A balanced Feistel network of 8 rounds over the 2k-bit numbers, 2^(2k) >= n: (l, r) -> (r, l ^ mix64(r ^ key)),
// a bijection whatever the round function is (Luby and Rackoff 1988: 4 rounds of random functions are
// indistinguishable from random). A result >= n is put through again until it falls below n ("cycle walking",
// Black and Rogaway 2002), fewer than 4 times on average since 2^(2k) < 4n. Keyed by (seed, stream).
class permutation {
 public:
  permutation() = default;
  permutation(std::uint64_t size, std::uint64_t seed, std::uint64_t stream)
      : size_(size), half_bits_(size < 2 ? 1 : (std::bit_width(size - 1) + 1) / 2) {
    std::uint64_t state = mix64(mix64(seed) ^ stream);
    for (auto& key : keys_) key = mix64(state += 0x9e3779b97f4a7c15u);
  }

  std::uint64_t size() const { return size_; }

  // The element at `index` < size.
  std::uint64_t operator()(std::uint64_t index) const {
    const std::uint64_t mask = (std::uint64_t(1) << half_bits_) - 1;
    do {
      std::uint64_t left = index >> half_bits_, right = index & mask;
      for (const std::uint64_t key : keys_) {
        const std::uint64_t next = left ^ (mix64(right ^ key) & mask);
        left = right;
        right = next;
      }
      index = left << half_bits_ | right;
    } while (index >= size_);
    return index;
  }

 private:
  std::uint64_t size_ = 0;
  int half_bits_ = 1;
  std::array<std::uint64_t, 8> keys_{};
};

}  // namespace formwork::train
