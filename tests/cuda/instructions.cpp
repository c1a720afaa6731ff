// The emulator's instructions beside what a GPU answered (tests/gpu/instructions.golden, which tests/gpu/instructions.cpp
// records), and whether that comparison would notice.
#include "gpu/instruction_check.hpp"

#include <random>

#include "support/catch.hpp"

using namespace formwork;
using namespace formwork::testing;

TEST_CASE("instructions: the emulator answers as the GPU that was recorded") {
  std::ifstream file(FORMWORK_SOURCE_DIR "/tests/gpu/instructions.golden");
  if (!file) {
    std::puts("SKIPPED: no GPU's answers are recorded in tests/gpu/instructions.golden");
    SUCCEED();
    return;
  }
  const auto all = read_golden(file);
  REQUIRE(all.size() == static_cast<std::size_t>(instructions * instruction_rounds));
  for (auto const& r : all) {
    const words in = instruction_inputs(r.which, r.round);
    CAPTURE(instruction_names[static_cast<int>(r.which)], r.round);
    REQUIRE(checksum_of(in) == r.inputs);
    CHECK(difference(r.which, in, r.out) == "");
  }
}

TEST_CASE("instructions: any order of the lanes gives the same words, and another word is noticed") {
  for (int k = 0; k < instructions; ++k) {
    const auto which = static_cast<instruction>(k);
    const words in = instruction_inputs(which, 0), right = emulated(which, in);
    CAPTURE(instruction_names[k]);
    CHECK(emulated(which, in, 2) == right);
    const std::vector<double> far = allowed(which, in, right);
    int noticed = 0, told = 0;
    for (std::size_t i = 0; i < right.size(); ++i) {
      words wrong = right;
      if (far[i] > 0) wrong[i] = std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<float>(right[i]) + 4 * far[i]));
      else wrong[i] ^= 1u << (i % 32);
      if (wrong[i] == right[i]) continue;
      ++told;
      noticed += difference(which, in, wrong) != "";
    }
    CHECK(told == 32 * words_out);
    CHECK(noticed == told);
  }
}

// What the tolerance of products must tell apart: operands rounded to fewer bits, rows exchanged.
TEST_CASE("instructions: products of operands with fewer bits are noticed") {
  for (auto which : {instruction::multiply_add_bf16, instruction::multiply_add_f16, instruction::multiply_add_tf32}) {
    const words in = instruction_inputs(which, 1);
    words fewer = in;
    for (std::size_t i = 0; i < in.size(); ++i)
      if (i % words_in < 6) fewer[i] &= which == instruction::multiply_add_tf32 ? 0xffffc000u : 0xfffefffeu;
    CHECK(difference(which, in, emulated(which, in)) == "");
    CHECK(difference(which, in, emulated(which, fewer)) != "");
  }
}

// What a tensor core reads of a rounded operand: the nearest of the two numbers of 19 bits around it, the one further from
// zero where both are as near.
TEST_CASE("instructions: f32 is rounded to the nearest tf32") {
  auto read = [](std::uint32_t x) { return gpu::round_to_tf32(x) & 0xffffe000u; };
  std::mt19937 random(1);
  std::vector<std::uint32_t> all{0, 1, 0x80000000u, 0x7f7fffffu, 0xff7fffffu, 0x7f7fefffu, 0x007fffffu, 0x3f801000u, 0xbf801000u, 0x3f800fffu, 0x3f803000u};
  for (int i = 0; i < 100'000; ++i) all.push_back(static_cast<std::uint32_t>(random()));
  long wrong = 0;
  for (const std::uint32_t x : all) {
    const std::uint32_t magnitude = x & 0x7fffffffu, below = magnitude & 0xffffe000u;
    if (magnitude > 0x7f800000u) wrong += !std::isnan(std::bit_cast<float>(read(x)));
    else wrong += read(x) != ((x & 0x80000000u) | (magnitude - below >= 0x1000u ? below + 0x2000u : below));
  }
  CHECK(wrong == 0);
  for (const std::uint32_t infinity : {0x7f800000u, 0xff800000u}) CHECK(read(infinity) == infinity);
  for (const std::uint32_t nan : {0x7f800001u, 0xff800001u, 0x7fffffffu, 0x7fc00000u}) CHECK(std::isnan(std::bit_cast<float>(read(nan))));
}

TEST_CASE("instructions: what is recorded is read back") {
  std::vector<recorded_instruction> all;
  for (int k = 0; k < instructions; ++k) {
    const auto which = static_cast<instruction>(k);
    const words in = instruction_inputs(which, 0);
    all.push_back({which, k, checksum_of(in), emulated(which, in)});
  }
  const std::string path = "instructions.written";
  write_golden(path, "a GPU", all);
  std::ifstream file(path);
  const auto again = read_golden(file);
  REQUIRE(again.size() == all.size());
  for (std::size_t k = 0; k < all.size(); ++k) {
    CHECK(again[k].which == all[k].which);
    CHECK(again[k].round == all[k].round);
    CHECK(again[k].inputs == all[k].inputs);
    CHECK(again[k].out == all[k].out);
  }
  file.close();
  std::remove(path.c_str());
}
