// A lane of the emulator: every instruction of backend/cuda/lane.hpp in C++. Fragments are taken apart by the tables
// of the PTX ISA (9.7.14.5), written here a second time as loops over rows and columns rather than as lane formulas.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "formwork/backend/cuda/lane.hpp"
#include "scheduler.hpp"

namespace formwork::emulator {

using gpu::tf32;

namespace detail {

// What lane i gives to a product: its accumulators, and its registers of A and B.
struct product_in {
  float d[4];
  std::uint32_t a[4], b[2];
};
struct product_out { float d[4]; };

template <class Operand> float element_of(std::uint32_t r, int part) {
  if constexpr (std::is_same_v<Operand, tf32>) {
    const std::uint32_t bits = r & 0xffffe000u;  // the upper 19 bits count
    return std::bit_cast<float>(bits);
  } else {
    Operand x;
    x.bits = static_cast<std::uint16_t>(r >> (16 * part));
    return static_cast<float>(x);
  }
}

// d += a b for a whole warp. The hardware adds exact products in an order of its own, truncating; here they are added
// in double and rounded once, which is as near as any order can be.
template <class Operand> void product(const std::byte* in, std::byte* out, const void* extra) {
  constexpr int depth = gpu::mma_depth<Operand>, per = depth / 8;  // elements per register
  const bool swapped = extra != nullptr && *static_cast<const bool*>(extra);
  float a[16][depth], b[depth][8], d[16][8];
  product_in x;
  for (int lane = 0; lane < 32; ++lane) {
    std::memcpy(&x, in + lane * static_cast<int>(sizeof(x)), sizeof(x));
    const int group = lane >> 2, member = lane & 3;
    for (int r = 0; r < 4; ++r)
      for (int e = 0; e < per; ++e) a[group + (r & 1) * 8][(r >> 1) * (depth / 2) + member * per + e] = element_of<Operand>(x.a[r], e);
    for (int r = 0; r < 2; ++r)
      for (int e = 0; e < per; ++e) b[r * (depth / 2) + member * per + e][group] = element_of<Operand>(x.b[r], e);
    for (int r = 0; r < 4; ++r) d[group + (r >> 1) * 8][member * 2 + (r & 1)] = x.d[r];
  }
  float y[16][8];
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j) {
      double sum = d[i][j];
      for (int k = 0; k < depth; ++k) sum += static_cast<double>(a[i][k]) * static_cast<double>(b[k][j]);
      y[i][j] = static_cast<float>(sum);
    }
  for (int lane = 0; lane < 32; ++lane) {
    product_out o;
    const int group = lane >> 2, member = lane & 3;
    for (int r = 0; r < 4; ++r) o.d[r] = y[(group + (r >> 1) * 8) ^ (swapped ? 8 : 0)][member * 2 + (r & 1)];
    std::memcpy(out + lane * static_cast<int>(sizeof(o)), &o, sizeof(o));
  }
}

// Each lane's address of a row of 16 bytes -> registers. The rows are read by the lanes themselves, so that a
// sanitizer knows who reads; here they are dealt out.
struct matrix_row { std::uint16_t element[8]; };
inline void deal_rows(const std::byte* in, std::byte* out, const void* extra) {
  const bool transposed = *static_cast<const bool*>(extra);
  for (int lane = 0; lane < 32; ++lane) {
    std::uint32_t r[4];
    for (int m = 0; m < 4; ++m) {
      std::uint16_t low, high;
      auto at = [&](int row, int column) {
        matrix_row x;
        std::memcpy(&x, in + (8 * m + row) * 16, 16);
        return x.element[column];
      };
      if (transposed) low = at(2 * (lane % 4), lane / 4), high = at(2 * (lane % 4) + 1, lane / 4);
      else low = at(lane / 4, 2 * (lane % 4)), high = at(lane / 4, 2 * (lane % 4) + 1);
      r[m] = static_cast<std::uint32_t>(low) | static_cast<std::uint32_t>(high) << 16;
    }
    std::memcpy(out + lane * 16, r, 16);
  }
}

template <class T> void take_from(const std::byte* in, std::byte* out, const void*) {
  struct item { T value; int from; };
  for (int lane = 0; lane < 32; ++lane) {
    item mine, other;
    std::memcpy(&mine, in + lane * static_cast<int>(sizeof(item)), sizeof(item));
    std::memcpy(&other, in + (mine.from & 31) * static_cast<int>(sizeof(item)), sizeof(item));
    std::memcpy(out + lane * static_cast<int>(sizeof(T)), &other.value, sizeof(T));
  }
}

inline void any_of(const std::byte* in, std::byte* out, const void*) {
  bool r = false;
  for (int lane = 0; lane < 32; ++lane) r = r || in[lane] != std::byte{0};
  for (int lane = 0; lane < 32; ++lane) out[lane] = std::byte{r};
}

}  // namespace detail

class lane {
 public:
  explicit lane(fibre& f) : f_(&f), thread_(thread_of(f)), block_(block_of(f)), shared_(shared_of(f)), how_(&settings_of(f)) {}
  lane(lane const&) = delete;
  ~lane() {
    land_all(0);
    if (synchronization* c = how_->count) *c = {std::max(c->barriers, barriers_), std::max(c->waits, waits_)};
  }

  int thread() const { return thread_; }
  long block() const { return block_; }
  std::byte* shared() const { return shared_; }

  void sync() const {
    land_some();
    if (barriers_++ == how_->at && how_->wrong == fault::drop_barrier) return;
    barrier(*f_);
  }
  void sync_warp() const {
    land_some();
    warp_meet(*f_, "sync_warp", nullptr, 0, nullptr, 0, nullptr, nullptr, true);
  }

  template <class T> T shuffle(T x, int from) const {
    struct { T value; int from; } in{x, from};
    T out;
    warp_meet(*f_, "shuffle", &in, sizeof(in), &out, sizeof(T), detail::take_from<T>, nullptr, false);
    return out;
  }
  template <class T> T shuffle_xor(T x, int bits) const { return shuffle(x, (thread_ & 31) ^ bits); }
  bool any(bool p) const {
    std::byte in{p}, out{};
    warp_meet(*f_, "any", &in, 1, &out, 1, detail::any_of, nullptr, false);
    return out != std::byte{0};
  }

  template <int Bytes> void copy_async(void* to, const void* from, int count) const {
    static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16);
    if (reinterpret_cast<std::uintptr_t>(to) % Bytes != 0 || (count > 0 && reinterpret_cast<std::uintptr_t>(from) % Bytes != 0))
      complain(*f_, "copy_async of " + std::to_string(Bytes) + " bytes at an address that is not a multiple of it");
    if (count < 0 || count > Bytes) complain(*f_, "copy_async of " + std::to_string(Bytes) + " bytes, of which " + std::to_string(count) + " are there");
    if (how_->wrong == fault::wide_predicate && count < Bytes && coin(*f_, 4)) count = Bytes;
    pending_.push_back({to, from, Bytes, count, group_});
    land_some();
  }
  void copy_commit() const { ++group_; }
  template <int Pending> void copy_wait() const {
    if (waits_++ == how_->at && how_->wrong == fault::drop_wait) return;
    land_all(Pending);
  }

  void load_matrices(std::uint32_t (&r)[4], const void* row) const { matrices(r, row, false); }
  void load_matrices_transposed(std::uint32_t (&r)[4], const void* row) const { matrices(r, row, true); }

  template <class Operand> void multiply_add(float (&d)[4], std::uint32_t const (&a)[4], std::uint32_t const (&b)[2]) const {
    detail::product_in in;
    std::memcpy(in.d, d, sizeof(d));
    std::memcpy(in.a, a, sizeof(a));
    std::memcpy(in.b, b, sizeof(b));
    detail::product_out out;
    static constexpr bool yes = true;
    warp_meet(*f_, "multiply_add", &in, sizeof(in), &out, sizeof(out), detail::product<Operand>, how_->wrong == fault::swapped_rows ? &yes : nullptr, false);
    std::memcpy(d, out.d, sizeof(d));
  }

  float exp2(float x) const { return x < -126.f ? 0.f : std::exp2(x); }

 private:
  struct copy {
    void* to;
    const void* from;
    int bytes, count;
    int group;
  };
  fibre* f_;
  int thread_;
  long block_;
  std::byte* shared_;
  settings const* how_;
  mutable std::vector<copy> pending_;
  mutable int group_ = 0, barriers_ = 0, waits_ = 0;

  static void land(copy const& c) {
    // Element by element, so that a sanitizer sees this thread write.
    for (int i = 0; i < c.bytes; i += 4) {
      std::uint32_t word = 0;
      const std::byte* from = static_cast<const std::byte*>(c.from) + i;
      if (i + 4 <= c.count) word = *reinterpret_cast<const std::uint32_t*>(from);
      else if (i < c.count) std::memcpy(&word, from, static_cast<std::size_t>(c.count - i));
      *reinterpret_cast<std::uint32_t*>(static_cast<std::byte*>(c.to) + i) = word;
    }
  }
  // Copies in flight land at any moment, in any order.
  void land_some() const {
    for (std::size_t i = 0; i < pending_.size();) {
      if (coin(*f_, 8)) {
        land(pending_[i]);
        pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        ++i;
      }
    }
  }
  void land_all(int pending_groups) const {
    std::size_t kept = 0;
    for (copy const& c : pending_) {
      if (c.group < group_ - pending_groups) land(c);
      else pending_[kept++] = c;
    }
    pending_.resize(kept);
  }

  void matrices(std::uint32_t (&r)[4], const void* row, bool transposed) const {
    auto address = reinterpret_cast<std::uintptr_t>(row);
    if (address % 16 != 0) complain(*f_, "load_matrices at an address that is not a multiple of 16");
    if (how_->wrong == fault::wrong_swizzle) address &= ~std::uintptr_t{16};
    detail::matrix_row in;
    for (int i = 0; i < 8; ++i) in.element[i] = reinterpret_cast<const std::uint16_t*>(address)[i];
    static constexpr bool flags[] = {false, true};
    warp_meet(*f_, transposed ? "load_matrices_transposed" : "load_matrices", &in, 16, r, 16, detail::deal_rows, &flags[transposed], false);
  }
};

static_assert(gpu::lane<lane>);

}  // namespace formwork::emulator
