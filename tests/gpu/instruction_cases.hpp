// One warp runs one instruction of a lane on words that it is given: the same program for a GPU and for the emulator.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "formwork/backend/cuda/lane.hpp"

namespace formwork::testing {

enum class instruction {
  shuffle, shuffle_xor, any, load_matrices, load_matrices_transposed, multiply_add_bf16, multiply_add_f16, multiply_add_tf32,
  copy_async_16, copy_async_8, copy_async_4, copy_wait, exp2
};
constexpr int instructions = 13;
constexpr const char* instruction_names[instructions] = {
    "shuffle", "shuffle_xor", "any", "load_matrices", "load_matrices_transposed", "multiply_add_bf16", "multiply_add_f16", "multiply_add_tf32",
    "copy_async_16", "copy_async_8", "copy_async_4", "copy_wait", "exp2"};

constexpr int words_in = 12, words_out = 4;  // of each lane
using warp_in = std::uint32_t[32 * words_in];
using warp_out = std::uint32_t[32 * words_out];
constexpr std::size_t case_shared_bytes = 1024;

namespace detail {
template <int Bytes, class Lane> FORMWORK_DEVICE void copy_case(Lane const& lane, const std::uint32_t* mine, std::uint32_t* row) {
  // The first word says how much of each piece is there.
  for (int piece = 0; piece * Bytes < 16; ++piece)
    lane.template copy_async<Bytes>(reinterpret_cast<std::byte*>(row) + piece * Bytes, reinterpret_cast<const std::byte*>(mine + 4) + piece * Bytes,
                                    static_cast<int>((mine[0] >> 5 * piece & 31) % (Bytes + 1)));
  lane.copy_commit();
  lane.template copy_wait<0>();
}
template <class Operand, class Lane> FORMWORK_DEVICE void product_case(Lane const& lane, const std::uint32_t* mine, std::uint32_t* out) {
  std::uint32_t a[4] = {mine[0], mine[1], mine[2], mine[3]}, b[2] = {mine[4], mine[5]};
  float d[4];
  for (int i = 0; i < 4; ++i) std::memcpy(&d[i], mine + 8 + i, 4);
  lane.template multiply_add<Operand>(d, a, b);
  for (int i = 0; i < 4; ++i) std::memcpy(out + i, &d[i], 4);
}
}  // namespace detail

// in and out: of the whole warp, at multiples of 16 bytes in global memory.
template <class Lane> FORMWORK_DEVICE void run_instruction(Lane const& lane, instruction which, const std::uint32_t* in, std::uint32_t* out) {
  const int i = lane.thread() & 31;
  const std::uint32_t* mine = in + i * words_in;
  std::uint32_t* shared = reinterpret_cast<std::uint32_t*>(lane.shared());
  std::uint32_t* row = shared + 4 * i;  // 16 bytes of this lane
  std::uint32_t r[4] = {0, 0, 0, 0};
  float x;
  std::memcpy(&x, mine, 4);
  for (int k = 0; k < 8; ++k) shared[32 * k + i] = 0xdeadbeef;
  lane.sync();
  switch (which) {
    case instruction::shuffle:
      x = lane.shuffle(x, static_cast<int>(mine[1] & 31));
      std::memcpy(r, &x, 4);
      r[1] = static_cast<std::uint32_t>(lane.shuffle(static_cast<int>(mine[2]), static_cast<int>(mine[3] & 31)));
      break;
    case instruction::shuffle_xor:
      for (int k = 0; k < 4; ++k) r[k] = static_cast<std::uint32_t>(lane.shuffle_xor(static_cast<int>(mine[k]), k == 0 ? 1 : k == 1 ? 2 : k == 2 ? 12 : 31));
      break;
    case instruction::any:
      for (int k = 0; k < 4; ++k) r[k] = lane.any((mine[k] & (k == 0 ? 0x1fu : k == 1 ? 0x3fu : k == 2 ? 0u : 1u)) == 1u) ? 1 : 0;
      break;
    case instruction::load_matrices:
    case instruction::load_matrices_transposed:
      for (int k = 0; k < 4; ++k) row[k] = mine[k];
      lane.sync();
      if (which == instruction::load_matrices) lane.load_matrices(r, shared + 4 * (mine[4] & 31));
      else lane.load_matrices_transposed(r, shared + 4 * (mine[4] & 31));
      break;
    case instruction::multiply_add_bf16: detail::product_case<bf16>(lane, mine, r); break;
    case instruction::multiply_add_f16: detail::product_case<f16>(lane, mine, r); break;
    case instruction::multiply_add_tf32: detail::product_case<gpu::tf32>(lane, mine, r); break;
    case instruction::copy_async_16: detail::copy_case<16>(lane, mine, row); break;
    case instruction::copy_async_8: detail::copy_case<8>(lane, mine, row); break;
    case instruction::copy_async_4: detail::copy_case<4>(lane, mine, row); break;
    case instruction::copy_wait:  // of three groups the first two have landed, then all
      lane.template copy_async<4>(row, mine + 4, 4);
      lane.copy_commit();
      lane.template copy_async<4>(row + 1, mine + 5, 4);
      lane.copy_commit();
      lane.template copy_async<4>(row + 2, mine + 6, 4);
      lane.copy_commit();
      lane.template copy_wait<1>();
      r[0] = row[0];
      r[1] = row[1];
      lane.template copy_wait<0>();
      r[2] = row[2];
      r[3] = row[3];
      break;
    case instruction::exp2:
      for (int k = 0; k < 4; ++k) {
        std::memcpy(&x, mine + k, 4);
        x = lane.exp2(x);
        std::memcpy(r + k, &x, 4);
      }
      break;
  }
  if (which == instruction::copy_async_16 || which == instruction::copy_async_8 || which == instruction::copy_async_4)
    for (int k = 0; k < 4; ++k) r[k] = row[k];
  lane.sync();
  for (int k = 0; k < 4; ++k) out[i * words_out + k] = r[k];
}

}  // namespace formwork::testing
