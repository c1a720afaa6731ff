// lane: one CUDA thread, as the kernels see it. A kernel is a function of a lane and its arguments; every machine
// instruction that C++ has no word for is a member here. sm80/lane.hpp says it in PTX; the emulator of the tests says
// it in C++, with the same meaning.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include "../../core/dtype.hpp"

namespace formwork::gpu {

// Operands of tensor cores. tf32: f32 of which the upper 19 bits count.
struct tf32 {};

// f32 to the nearest tf32, ties away from zero, as cvt.rna.tf32.f32: tensor cores cut the lower 13 bits off. Infinities
// stay, and so does NaN, whose lower bits are set: cut off alone they would leave an infinity.
FORMWORK_DEVICE constexpr std::uint32_t round_to_tf32(std::uint32_t x) {
  const float number = std::bit_cast<float>(x);
  return number != number ? x | 0x00400000u : x + 0x1000u;
}

// Elements of depth that one tensor core instruction consumes: 32 bytes of each row.
template <class Operand> inline constexpr int mma_depth = std::same_as<Operand, tf32> ? 8 : 16;

// Where things are in the fragments of mma.m16n8k16 (16-bit operands) and mma.m16n8k8 (tf32), PTX ISA 9.7.14.5.
// With g = lane / 4 and t = lane % 4, a register holding two 16-bit elements or one tf32:
//   A (16 x depth): a0: row g, a1: row g + 8, a2: row g, a3: row g + 8; columns: a0, a1 the first half, a2, a3 the second
//                   within a half: 16-bit 2 t and 2 t + 1, tf32 t
//   B (depth x 8):  b0, b1: column g; rows: as A's columns
//   C, D (16 x 8):  c0, c1: row g, c2, c3: row g + 8; columns 2 t and 2 t + 1
//
// load_matrices reads four 8 x 16-byte matrices; lane i gives the address of row i % 8 of matrix i / 8. Register j of
// lane i: bytes 4 (i % 4), ... of row i / 4 of matrix j. load_matrices_transposed: elements of 16 bits, rows 2 (i % 4)
// and 2 (i % 4) + 1 of column i / 4.
template <class L>
concept lane = requires(L const& l, float (&d)[4], std::uint32_t (&a)[4], std::uint32_t (&b)[2], void* shared, const void* global, float x, bool p, int count) {
  { l.thread() } -> std::convertible_to<int>;      // in its block
  { l.block() } -> std::convertible_to<long>;      // in the launch
  { l.shared() } -> std::same_as<std::byte*>;      // the block's shared memory, 128-byte aligned
  l.sync();                                        // every thread of the block
  l.sync_warp();
  { l.shuffle(x, 0) } -> std::same_as<float>;      // the value of a lane of the warp
  { l.shuffle_xor(x, 1) } -> std::same_as<float>;  // of the lane whose number differs in these bits
  { l.any(p) } -> std::same_as<bool>;              // of the warp
  l.template copy_async<16>(shared, global, count);  // 4, 8 or 16 bytes, of which the first `count` are read, the rest zeros; lands later
  l.copy_commit();                                 // closes a group of copies of this thread
  l.template copy_wait<0>();                       // all but the latest so many groups of this thread have landed
  l.load_matrices(a, shared);
  l.load_matrices_transposed(a, shared);
  l.template multiply_add<bf16>(d, a, b);          // d += a b
  l.template multiply_add<tf32>(d, a, b);
  { l.exp2(x) } -> std::same_as<float>;            // relative error 2^-22, 0 below -126
};

inline constexpr int warp = 32;

}  // namespace formwork::gpu
