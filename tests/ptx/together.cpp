// What the lanes of a warp do together: shuffles, votes, and the matrix instructions of the tensor cores (PTX ISA 9.0,
// 9.7.9.6, 9.7.13, 9.7.15.4, 9.7.15.5; the figures of fragments there).
#include <bit>
#include <cmath>
#include <string>

#include "machine.hpp"

namespace formwork::ptx {

namespace {

std::uint32_t word(slot const& s, int lane) { return static_cast<std::uint32_t>(s[static_cast<std::size_t>(lane)]); }

void check_members(warp& w, instruction const& i, operand const& members) {
  if (word(w.source(members.slots[0]), 0) != all_lanes) fault(w, i, 0, "only whole warps are known");
}

// shfl.sync.mode d{|p}, a, b, c, members
enum class shuffle { idx, bfly };
void run_shuffle(warp& w, instruction const& i, lane_mask) {
  const bool tells = i.operands.size() == 6;
  const std::size_t first = tells ? 2 : 1;
  check_members(w, i, i.operands[first + 3]);
  const slot a = w.source(i.operands[first].slots[0]), b = w.source(i.operands[first + 1].slots[0]), c = w.source(i.operands[first + 2].slots[0]);
  for (int lane = 0; lane < lanes; ++lane) {
    const int by = static_cast<int>(word(b, lane) & 31), clamp = static_cast<int>(word(c, lane) & 31), segment = static_cast<int>(word(c, lane) >> 8 & 31);
    const int most = (lane & segment) | (clamp & ~segment), least = lane & segment;
    const int wanted = static_cast<shuffle>(i.detail) == shuffle::bfly ? lane ^ by : least | (by & ~segment);
    const bool there = wanted <= most;
    const int from = there ? wanted : lane;
    w.destination(i.operands[0].slots[0])[static_cast<std::size_t>(lane)] = a[static_cast<std::size_t>(from)] & 0xffffffffu;
    if (tells) w.destination(i.operands[1].slots[0])[static_cast<std::size_t>(lane)] = there;
  }
}

// vote.sync.any p, q, members
void run_any(warp& w, instruction const& i, lane_mask) {
  check_members(w, i, i.operands[2]);
  slot const& p = w.source(i.operands[1].slots[0]);
  std::uint64_t any = 0;
  for (std::uint64_t q : p) any |= q & 1;
  w.destination(i.operands[0].slots[0]).fill(any);
}

// Four 8 x 8 matrices of 16-bit elements, the rows' addresses from eight lanes each. A lane gets two neighbours of a row:
// row lane / 4, columns 2 (lane % 4) and the next; transposed, of a column.
void run_load_matrices(warp& w, instruction const& i, lane_mask) {
  operand const& at = i.operands[1];
  std::uint16_t matrix[8][8];
  std::vector<int> const& to = i.operands[0].slots;
  slot result[4];
  for (std::size_t n = 0; n < to.size(); ++n) {
    for (int row = 0; row < 8; ++row) {
      const int lane = static_cast<int>(n) * 8 + row;
      const std::uint64_t address = w.source(at.slots[0])[static_cast<std::size_t>(lane)] + static_cast<std::uint64_t>(at.offset);
      std::memcpy(matrix[row], shared_memory(w, i, lane, address, 16), 16);
    }
    for (int lane = 0; lane < lanes; ++lane) {
      const int x = lane / 4, y = 2 * (lane % 4);
      const std::uint32_t low = i.detail ? matrix[y][x] : matrix[x][y], high = i.detail ? matrix[y + 1][x] : matrix[x][y + 1];
      result[n][static_cast<std::size_t>(lane)] = high << 16 | low;
    }
  }
  for (std::size_t n = 0; n < to.size(); ++n) w.destination(to[n]) = result[n];
}

enum class element { bf16, f16, tf32 };
double value(element e, std::uint32_t bits) {
  switch (e) {
    case element::bf16: return static_cast<double>(std::bit_cast<float>(bits << 16));
    case element::tf32: return static_cast<double>(std::bit_cast<float>(bits & 0xffffe000u));  // the lower bits are not looked at
    case element::f16: break;
  }
  const int exponent = static_cast<int>(bits >> 10 & 31);
  const double mantissa = bits & 1023;
  const double v = exponent == 31 ? (mantissa == 0 ? HUGE_VAL : NAN) : exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25);
  return bits & 0x8000 ? -v : v;
}

// d = a b + c with a of 16 x k, b of k x 8. Where a lane's elements stand, k = 16 (16-bit elements, two in a register):
//   a: register r holds row lane/4 + 8 (r % 2), columns 2 (lane % 4) + 8 (r / 2) and the next
//   b: register r holds rows 2 (lane % 4) + 8 r and the next of column lane/4
// k = 8 (tf32): a: row lane/4 + 8 (r % 2), column lane % 4 + 4 (r / 2);  b: row lane % 4 + 4 r, column lane/4
//   c, d: register r holds row lane/4 + 8 (r / 2), column 2 (lane % 4) + r % 2
void run_multiply_add(warp& w, instruction const& i, lane_mask) {
  const auto e = static_cast<element>(i.detail);
  const int depth = e == element::tf32 ? 8 : 16;
  double a[16][16] = {}, b[16][8] = {}, c[16][8] = {};
  for (int lane = 0; lane < lanes; ++lane) {
    const int group = lane / 4, place = lane % 4;
    for (int r = 0; r < 4; ++r) {
      const std::uint32_t bits = word(w.source(i.operands[1].slots[static_cast<std::size_t>(r)]), lane);
      const int row = group + 8 * (r % 2);
      if (e == element::tf32) {
        a[row][place + 4 * (r / 2)] = value(e, bits);
      } else {
        a[row][2 * place + 8 * (r / 2)] = value(e, bits & 0xffff);
        a[row][2 * place + 8 * (r / 2) + 1] = value(e, bits >> 16);
      }
      c[group + 8 * (r / 2)][2 * place + r % 2] = static_cast<double>(std::bit_cast<float>(word(w.source(i.operands[3].slots[static_cast<std::size_t>(r)]), lane)));
    }
    for (int r = 0; r < 2; ++r) {
      const std::uint32_t bits = word(w.source(i.operands[2].slots[static_cast<std::size_t>(r)]), lane);
      if (e == element::tf32) {
        b[place + 4 * r][group] = value(e, bits);
      } else {
        b[2 * place + 8 * r][group] = value(e, bits & 0xffff);
        b[2 * place + 8 * r + 1][group] = value(e, bits >> 16);
      }
    }
  }
  for (auto& row : c) {
    const auto y = &row - c;
    for (int x = 0; x < 8; ++x)
      for (int k = 0; k < depth; ++k) row[x] += a[y][k] * b[k][x];
  }
  for (int r = 0; r < 4; ++r) {
    slot& d = w.destination(i.operands[0].slots[static_cast<std::size_t>(r)]);
    for (int lane = 0; lane < lanes; ++lane) d[static_cast<std::size_t>(lane)] = to_bits(static_cast<float>(c[lane / 4 + 8 * (r / 2)][2 * (lane % 4) + r % 2]));
  }
}

}  // namespace

bool decode_together(instruction& i, mnemonic_parts const& parts) {
  i.what = flow::together;
  std::string name;
  for (auto const& p : parts) name += (name.empty() ? "" : ".") + p;
  if ((name == "shfl.sync.bfly.b32" || name == "shfl.sync.idx.b32") && (i.operands.size() == 5 || i.operands.size() == 6)) {
    i.run = run_shuffle;
    i.detail = static_cast<int>(parts[2] == "bfly" ? shuffle::bfly : shuffle::idx);
    return true;
  }
  if (name == "vote.sync.any.pred" && i.operands.size() == 3) {
    i.run = run_any;
    return true;
  }
  for (const bool transposed : {false, true})
    if (name == std::string("ldmatrix.sync.aligned.m8n8.x4") + (transposed ? ".trans" : "") + ".shared.b16") {
      i.run = run_load_matrices;
      i.detail = transposed;
      return i.operands.size() == 2 && i.operands[0].slots.size() == 4;
    }
  const std::pair<const char*, element> products[] = {{"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", element::bf16},
                                                      {"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", element::f16},
                                                      {"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", element::tf32}};
  for (auto const& [text, e] : products)
    if (name == text) {
      i.run = run_multiply_add;
      i.detail = static_cast<int>(e);
      return i.operands.size() == 4 && i.operands[0].slots.size() == 4 && i.operands[1].slots.size() == 4 && i.operands[2].slots.size() == 2 && i.operands[3].slots.size() == 4;
    }
  return false;
}

}  // namespace formwork::ptx
