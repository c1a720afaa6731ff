// A machine that runs the PTX of a kernel: thread blocks one after another, their warps in a random order that changes
// every few instructions, the lanes of a warp in lockstep where they are at the same place. Asynchronous copies land at a
// random moment before they are waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "module.hpp"

namespace formwork::ptx {

// The memory that kernels may touch: what was allocated, by its first byte.
using allocations = std::map<std::uintptr_t, std::size_t>;

struct launch {
  kernel const* what = nullptr;
  unsigned blocks = 1, threads = 1;
  std::size_t shared_bytes = 0;
  std::vector<std::byte> arguments;
};

// Throws std::runtime_error, in one sentence, for what a GPU would fault at or wait for without end: an address outside of
// every allocation or not a multiple of the access, lanes that disagree where all must take part, warps that wait for each
// other.
void run(launch const& l, allocations const& memory, std::uint64_t seed);

// SplitMix64 (Steele et al. 2014).
struct random_numbers {
  std::uint64_t state;
  std::uint64_t operator()() {
    std::uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  unsigned below(unsigned n) { return static_cast<unsigned>((*this)() % n); }
};

struct block {
  launch const& l;
  allocations const& memory;
  random_numbers random;
  std::vector<std::byte> shared;
};

// A copy that was asked for and has not landed.
struct async_copy {
  long to = 0;
  std::uintptr_t from = 0;
  int bytes = 0, there = 0;  // the rest becomes zeros
  int group = 0;
};

struct warp {
  block* of = nullptr;
  int number = 0;
  std::vector<slot> registers;
  std::array<int, lanes> pc{};
  lane_mask running = 0, parked = 0, at_barrier = 0;
  std::array<std::vector<async_copy>, lanes> copies;
  std::array<int, lanes> groups{};  // of copies, that were committed

  slot const& source(int index) const {
    return index >= 0 ? registers[static_cast<std::size_t>(index)] : of->l.what->constants[static_cast<std::size_t>(-1 - index)];
  }
  slot& destination(int index) { return registers[static_cast<std::size_t>(index)]; }
};

// Where an access of a kernel may go, checked.
std::byte* global_memory(warp& w, instruction const& i, int lane, std::uint64_t address, int bytes);
std::byte* shared_memory(warp& w, instruction const& i, int lane, std::uint64_t address, int bytes);
void land(warp& w, async_copy const& c);
[[noreturn]] void fault(warp const& w, instruction const& i, int lane, std::string const& what);

template <class T> T bits_to(std::uint64_t bits) {
  T x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
template <class T> std::uint64_t to_bits(T x) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &x, sizeof x);
  return bits;
}

template <class F> void for_each_lane(lane_mask m, F f) {
  if (m == all_lanes) {
    for (int lane = 0; lane < lanes; ++lane) f(lane);
  } else {
    for (int lane = 0; lane < lanes; ++lane)
      if (m >> lane & 1) f(lane);
  }
}

}  // namespace formwork::ptx
