// A fast 64-bit checksum of bytes: finds damaged data, proves nothing against an adversary.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace formwork::train {

// A bijection of 64-bit words in which every input bit reaches every output bit (the finaliser of SplitMix64:
// Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Four lanes take the 8-byte little-endian words in turn: lane = rotate((lane ^ word) * odd). Each step is a
// bijection of the lane and of the word, so a change inside one word is always found, and any other with
// odds of about 2^64 : 1. The result depends on the bytes alone, not on how add() was called.
class checksum {
 public:
  void add(std::span<const std::byte> bytes) {
    total_ += bytes.size();
    while (!bytes.empty()) {
      if (held_ == 0) {
        auto lanes = lanes_;  // in registers: the compiler must think that the bytes may be this object
        for (; bytes.size() >= sizeof block_; bytes = bytes.subspan(sizeof block_)) take(lanes, bytes.data());
        lanes_ = lanes;
      }
      const std::size_t some = std::min(bytes.size(), sizeof block_ - held_);
      if (some) std::memcpy(block_.data() + held_, bytes.data(), some);
      bytes = bytes.subspan(some);
      if ((held_ += some) == sizeof block_) { take(lanes_, block_.data()); held_ = 0; }
    }
  }
  std::uint64_t value() const {
    checksum last = *this;
    if (held_) {
      std::memset(last.block_.data() + held_, 0, sizeof block_ - held_);
      take(last.lanes_, last.block_.data());
    }
    std::uint64_t result = mix64(total_);
    for (const auto lane : last.lanes_) result = mix64(result ^ lane) + 0x9e3779b97f4a7c15u;
    return result;
  }

 private:
  static void take(std::array<std::uint64_t, 4>& lanes, const std::byte* data) {
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      std::uint64_t word;
      std::memcpy(&word, data + 8 * i, 8);
      if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
      lanes[i] = std::rotl((lanes[i] ^ word) * 0x9fb21c651e98df25u, 29);
    }
  }
  std::array<std::uint64_t, 4> lanes_{1, 2, 3, 4};
  std::array<std::byte, 32> block_{};
  std::size_t held_ = 0;
  std::uint64_t total_ = 0;
};

inline std::uint64_t checksum_of(std::span<const std::byte> bytes) {
  checksum sum;
  sum.add(bytes);
  return sum.value();
}

// 16 hexadecimal digits.
inline std::string hex(std::uint64_t value) {
  std::string text(16, '0');
  for (std::size_t i = 16; i-- > 0; value >>= 4) text[i] = "0123456789abcdef"[value & 15];
  return text;
}

}  // namespace formwork::train
