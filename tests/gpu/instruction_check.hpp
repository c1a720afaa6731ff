// What the instructions are given, what the emulator makes of it, how far a GPU may be from that, and the file of what
// one answered. The host's part.
#pragma once

#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "emulator/lane.hpp"
#include "gpu/instruction_cases.hpp"

namespace formwork::testing {

constexpr int instruction_rounds = 4;
using words = std::vector<std::uint32_t>;

// Words of a warp, the same on every machine: std::mt19937 is, its distributions are not.
inline words instruction_inputs(instruction which, int round) {
  std::mt19937 random(static_cast<unsigned>(100 * round + static_cast<int>(which) + 1));
  auto number = [&](double low, double high) { return low + (high - low) * (static_cast<double>(random()) / 4294967296.0); };
  auto bits = [](double x) { return std::bit_cast<std::uint32_t>(static_cast<float>(x)); };
  words in(32 * words_in);
  for (int lane = 0; lane < 32; ++lane)
    for (int k = 0; k < words_in; ++k) {
      std::uint32_t& w = in[static_cast<std::size_t>(lane * words_in + k)];
      w = random();
      const double size = std::exp2(std::floor(number(-3, 3)));  // magnitudes that differ
      const double x = number(-1, 1) * size, y = number(-1, 1) * size;
      switch (which) {
        case instruction::shuffle: if (k == 0) w = bits(x); break;
        case instruction::load_matrices:
        case instruction::load_matrices_transposed: if (k == 4) w = static_cast<std::uint32_t>(lane * (2 * round + 1) + 5); break;  // every row once
        case instruction::multiply_add_bf16: w = k >= 8 ? bits(x) : bf16(static_cast<float>(x)).bits | static_cast<std::uint32_t>(bf16(static_cast<float>(y)).bits) << 16; break;
        case instruction::multiply_add_f16: w = k >= 8 ? bits(x) : f16(static_cast<float>(x)).bits | static_cast<std::uint32_t>(f16(static_cast<float>(y)).bits) << 16; break;
        case instruction::multiply_add_tf32: w = bits(x); break;
        case instruction::exp2: w = bits(k == 0 ? number(-140, 20) : k == 1 ? number(-2, 2) : k == 2 ? -number(0, 0.01) : lane == 0 ? -std::numeric_limits<double>::infinity() : lane - 130.0); break;
        default: break;
      }
    }
  return in;
}

inline std::uint32_t checksum_of(words const& all) {  // FNV-1a
  std::uint32_t h = 2166136261u;
  for (std::uint32_t w : all)
    for (int byte = 0; byte < 4; ++byte) h = (h ^ (w >> (8 * byte) & 255u)) * 16777619u;
  return h;
}

inline words emulated(instruction which, words const& in, std::uint64_t seed = 1) {
  struct alignas(16) call {
    instruction which;
    alignas(16) warp_in in;
    alignas(16) warp_out out;
  } c;
  c.which = which;
  std::copy(in.begin(), in.end(), c.in);
  emulator::run({.blocks = 1, .threads = 32, .shared_bytes = case_shared_bytes}, {.seed = seed}, instruction_names[static_cast<int>(which)],
                [](void* p, emulator::fibre& f) {
                  auto& all = *static_cast<call*>(p);
                  emulator::lane l(f);
                  run_instruction(l, all.which, all.in, all.out);
                },
                &c);
  return {c.out, c.out + 32 * words_out};
}

// How far each word may be from the emulator's, as numbers; zero where the bits must agree.
//   products: a tensor core adds depth + 1 terms of 24 bits and cuts: each at most 2^-23 of the sum of magnitudes
//   exp2: relative 2^-22 (PTX ISA, ex2.approx.ftz.f32) and the host's half a unit; below 2^-126 it is 0 or the least normal number
inline std::vector<double> allowed(instruction which, words const& in, words const& expected) {
  std::vector<double> all(expected.size(), 0);
  const bool product = which == instruction::multiply_add_bf16 || which == instruction::multiply_add_f16 || which == instruction::multiply_add_tf32;
  if (product) {
    words magnitudes = in;
    for (std::size_t i = 0; i < magnitudes.size(); ++i) magnitudes[i] &= which == instruction::multiply_add_tf32 || i % words_in >= 8 ? 0x7fffffffu : 0x7fff7fffu;
    const words sums = emulated(which, magnitudes);
    const double terms = which == instruction::multiply_add_tf32 ? 9 : 17;
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = terms * 0x1p-23 * std::bit_cast<float>(sums[i]);
  }
  if (which == instruction::exp2)
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = (0x1p-22 + 0x1p-24) * std::bit_cast<float>(expected[i]) + (std::bit_cast<float>(expected[i]) < 0x1.01p-126 ? 0x1p-126 : 0);
  return all;
}

// The first word that is not as the emulator says, or nothing.
inline std::string difference(instruction which, words const& in, words const& got) {
  const words expected = emulated(which, in);
  const std::vector<double> far = allowed(which, in, expected);
  if (got.size() != expected.size()) return "another number of words";
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (got[i] == expected[i]) continue;
    const double a = std::bit_cast<float>(got[i]), b = std::bit_cast<float>(expected[i]);
    if (far[i] > 0 && std::abs(a - b) <= far[i]) continue;
    char text[200];
    std::snprintf(text, sizeof(text), "%s: word %d of lane %d is %08x (%.9g), the emulator's %08x (%.9g), allowed %.3g", instruction_names[static_cast<int>(which)],
                  static_cast<int>(i % words_out), static_cast<int>(i / words_out), got[i], a, expected[i], b, far[i]);
    return text;
  }
  return {};
}

// A file: a line that names the GPU, then for each instruction and round its name, the round, the inputs' checksum and
// the words of all lanes.
struct recorded_instruction {
  instruction which{};
  int round = 0;
  std::uint32_t inputs = 0;
  words out;
};
inline void write_golden(std::string const& path, std::string const& gpu, std::vector<recorded_instruction> const& all) {
  std::ofstream file(path);
  file << "# " << gpu << std::hex;
  for (auto const& r : all) {
    file << "\n" << instruction_names[static_cast<int>(r.which)] << " " << r.round << " " << r.inputs;
    for (std::size_t i = 0; i < r.out.size(); ++i) file << (i % 16 == 0 ? "\n" : " ") << r.out[i];
  }
  file << "\n";
}
inline std::vector<recorded_instruction> read_golden(std::istream& file) {
  std::vector<recorded_instruction> all;
  std::string line, name;
  std::getline(file, line);
  file >> std::hex;
  while (file >> name) {
    recorded_instruction r;
    for (int k = 0; k < instructions; ++k)
      if (name == instruction_names[k]) r.which = static_cast<instruction>(k);
    file >> r.round >> r.inputs;
    r.out.resize(32 * words_out);
    for (auto& w : r.out) file >> w;
    if (!file || name != instruction_names[static_cast<int>(r.which)]) return {};
    all.push_back(r);
  }
  return all;
}

}  // namespace formwork::testing
