// An operand of a product as a block of threads holds it: a tile of `Outer` rows of A or columns of B, `Depth` deep, in
// shared memory, and its way there. Lines of the tile run along the axis that is contiguous in memory, so that copies
// are wide; the 16-byte chunks of a line are permuted (xor) so that no read of a fragment meets a bank twice.
#pragma once

#include "execute.hpp"
#include "tape_elements.hpp"

namespace formwork::gpu::detail {

template <class Operand, int Outer, int Depth, int Threads, int MostBytes> struct tile_units;

// Number: of its argument. Products: how many matrices of this kind share a tile, each with an equal part of Outer; they
// follow each other as arguments, and all lie as the first does.
template <int Number, class Argument, class Strides, long OuterExtent, long K, int Products = 1> struct matrix_operand {
  static constexpr bool computed = false;
  static constexpr int number = Number, products = Products;
  using stored = element_t<Argument::type>;
  static constexpr int size = static_cast<int>(sizeof(stored));
  static constexpr long batch = Strides::extent(0), outer = Strides::stride(0), inner = Strides::extent(1);
  static constexpr long outer_extent = OuterExtent, depth_extent = K;
  // Axes of one element have stride 0. With neither axis contiguous, lines run along k.
  static constexpr bool along_k = inner == 1 || outer != 1;
  static constexpr bool contiguous = along_k ? inner == 1 || (inner == 0 && K == 1) : true;

  // Bytes of the longest run, of at most `most` bytes, that is aligned everywhere. The last one of a line may be partly outside
  // of the matrix.
  static constexpr int unit_bytes(int most) {
    const long other = along_k ? outer : inner;
    int bytes = contiguous && most > size ? most : size;
    while (bytes > size && (Argument::alignment % bytes != 0 || batch * size % bytes != 0 || other * size % bytes != 0)) bytes /= 2;
    return bytes;
  }
  template <int Outer, int Depth, int Threads, int MostBytes> using units = tile_units<matrix_operand, Outer, Depth, Threads, MostBytes>;
};

// The units of a tile that one thread copies: `each` of them, `lines_apart` lines from one to the next.
template <class Operand, int Outer, int Depth, int Threads, int MostBytes> struct tile_units {
  using stored = typename Operand::stored;
  static constexpr int size = Operand::size, unit = Operand::unit_bytes(MostBytes), per = unit / size;
  static constexpr int line_elements = Operand::along_k ? Depth : Outer, lines = Operand::along_k ? Outer : Depth;
  static constexpr int in_line = line_elements / per;
  static_assert(Threads % in_line == 0 && lines * in_line >= Threads && lines % (Threads / in_line) == 0);
  static constexpr int lines_apart = Threads / in_line, each = lines / lines_apart;
  static constexpr long step = lines_apart * (Operand::along_k ? Operand::outer : Operand::inner);
  static constexpr int part = Outer / Operand::products;  // of each matrix
  static constexpr bool outer_fits = Operand::outer_extent % part == 0, depth_fits = Operand::depth_extent % Depth == 0;
  static constexpr bool whole = (Operand::along_k ? Operand::depth_extent : Operand::outer_extent) % per == 0;  // no unit is partly outside

  // With lines along the other axis all units of a thread are of one matrix.
  static constexpr int matrices = Operand::along_k ? Operand::products : 1;

  const stored* from[matrices];  // of the first unit, in either matrix
  int line, first;               // where that is in the tile
  int outer_left, depth_left;    // of the matrix, from the tile's first element on

  template <class Context> FORMWORK_DEVICE tile_units(Context const& a, int thread, long batch, long outer_begin, long k_begin)
      : line(thread / in_line), first(thread % in_line * per), outer_left(static_cast<int>(Operand::outer_extent - outer_begin)), depth_left(static_cast<int>(Operand::depth_extent - k_begin)) {
    const long o = outer_begin + (Operand::along_k ? line : first), k = k_begin + (Operand::along_k ? first : line);
    const long at = batch * Operand::batch + o * Operand::outer + k * Operand::inner;
    FORMWORK_UNROLL
    for (int m = 0; m < matrices; ++m) from[m] = static_cast<const stored*>(a.arguments[Operand::number + m]) + at;
    if constexpr (matrices < Operand::products)
      if (of_second(0)) from[0] = static_cast<const stored*>(a.arguments[Operand::number + 1]) + (at - part * Operand::outer);
  }
  FORMWORK_DEVICE void next() {
    FORMWORK_UNROLL
    for (int m = 0; m < matrices; ++m) from[m] += Depth * Operand::inner;
    depth_left -= Depth;
  }
  FORMWORK_DEVICE int line_of(int i) const { return line + i * lines_apart; }
  FORMWORK_DEVICE bool of_second(int i) const {
    if constexpr (Operand::products == 1) return false;
    else if constexpr (!Operand::along_k) return first >= part;
    else if constexpr (part % lines_apart == 0) return i * lines_apart >= part;  // whatever the thread
    else return line_of(i) >= part;
  }
  FORMWORK_DEVICE const stored* address(int i) const {
    if constexpr (matrices == 1) return from[0] + i * step;
    else return of_second(i) ? from[1] + (i * step - part * Operand::outer) : from[0] + i * step;
  }
  // Elements of unit i that are inside the matrix.
  FORMWORK_DEVICE int there(int i) const {
    const int o = (Operand::along_k ? line_of(i) : first) - (of_second(i) ? part : 0), k = Operand::along_k ? first : line_of(i);
    const bool any = (outer_fits || o < outer_left) && (depth_fits || k < depth_left);
    if constexpr (whole) return any ? per : 0;
    const int left = Operand::along_k ? depth_left - k : outer_left - o;
    return any ? (left < per ? left : per) : 0;
  }
};

// A tile for tensor cores, in the operand's own type.
template <class Operand, int Outer, int Depth, int Threads> struct tensor_tile {
  using stored = typename Operand::stored;
  using units = typename Operand::template units<Outer, Depth, Threads, 16>;
  static constexpr bool computed = Operand::computed;
  static constexpr int size = Operand::size, line_bytes = units::line_elements * size, chunks = line_bytes / 16, bytes = units::lines * line_bytes;
  static constexpr bool words = size == 4 && !Operand::along_k;  // fragments are read word by word

  // ldmatrix reads one chunk of 8 neighbouring lines: they must lie in different eighths of 128 bytes. Word by word
  // 8 neighbours of 4 lines are read: different quarters.
  FORMWORK_DEVICE static int swizzle(int line) {
    if constexpr (words) return (line & 3) * 2 & (chunks - 1);
    else if constexpr (chunks >= 8) return line & 7;
    else return line / (8 / chunks) & (chunks - 1);
  }
  FORMWORK_DEVICE static int at(int line, int element) {
    const int byte = element * size;
    return line * line_bytes + ((byte / 16 ^ swizzle(line)) * 16 + byte % 16);
  }

  // Where unit i of a thread lies; the permutation repeats after 8 lines.
  FORMWORK_DEVICE static int place(units const& u, int i) {
    if constexpr (units::lines_apart % 8 == 0) return at(u.line, u.first) + i * units::lines_apart * line_bytes;
    else return at(u.line_of(i), u.first);
  }

  template <class Lane> FORMWORK_DEVICE static void copy(Lane const& lane, std::byte* to, units const& u) {
    if constexpr (units::unit >= 4) {
      FORMWORK_UNROLL
      for (int i = 0; i < units::each; ++i) lane.template copy_async<units::unit>(to + place(u, i), u.address(i), u.there(i) * size);
    } else {
      constexpr int group = units::each < 8 ? units::each : 8;  // loads in flight
      FORMWORK_UNROLL
      for (int i = 0; i < units::each; i += group) {
        stored x[group];
        FORMWORK_UNROLL
        for (int j = 0; j < group; ++j) x[j] = u.there(i + j) > 0 ? *u.address(i + j) : stored{};
        FORMWORK_UNROLL
        for (int j = 0; j < group; ++j) *reinterpret_cast<stored*>(to + place(u, i + j)) = x[j];
      }
    }
  }

  // A unit that was computed.
  FORMWORK_DEVICE static void put(std::byte* to, units const& u, int i, stored const (&x)[units::per]) {
    union { raw<units::unit> bits; stored element[units::per]; } v{};
    FORMWORK_UNROLL
    for (int e = 0; e < units::per; ++e) v.element[e] = x[e];
    *reinterpret_cast<raw<units::unit>*>(to + place(u, i)) = v.bits;
  }

  // A fragment of 16 rows of A, or two of 8 columns of B, at step kk of 32 bytes of k. Register r holds half h of k, and rows
  // (columns) from o on: A: o = 8 (r % 2), h = r / 2; B: o = 8 (r / 2), h = r % 2. They are the fragments from `outer` on, a
  // multiple of the Extent of a warp. Their places differ by whole lines, which the permutation does not see, or by bits
  // of the chunk's number, so that what a lane computes of them, `begin`, is the same for all.
  template <bool IsA, int Extent, class Lane> FORMWORK_DEVICE static int begin(Lane const& lane, int outer) {
    static_assert((Extent & (Extent - 1)) == 0);
    constexpr int half = 16 / size;  // elements of k
    if constexpr (words) return at(lane.thread() % 4, outer + lane.thread() % warp / 4);
    const int i = lane.thread() % 8, j = lane.thread() % warp / 8;
    const int o = 8 * (IsA ? j % 2 : j / 2), h = IsA ? j / 2 : j % 2;
    if constexpr (Operand::along_k) return at(outer + o + i, h * half);
    else return at(h * half + i, outer + o);
  }
  template <bool IsA, class Lane> FORMWORK_DEVICE static void load(Lane const& lane, std::uint32_t (&r)[4], const std::byte* tile, int begin, int fragment, int kk) {
    constexpr int half = 16 / size;
    if constexpr (words) {
      FORMWORK_UNROLL
      for (int j = 0; j < 4; ++j) {
        const int o = 8 * (IsA ? j % 2 : j / 2), h = IsA ? j / 2 : j % 2;
        r[j] = *reinterpret_cast<const std::uint32_t*>(tile + ((begin ^ (fragment * 16 + o) * size) + (2 * kk + h) * half * line_bytes));
      }
    } else if constexpr (Operand::along_k) {
      lane.load_matrices(r, tile + ((begin ^ kk * 32) + fragment * 16 * line_bytes));
    } else {
      lane.load_matrices_transposed(r, tile + ((begin ^ fragment * 32) + kk * 2 * half * line_bytes));
    }
    if constexpr (size == 4) {
      FORMWORK_UNROLL
      for (int j = 0; j < 4; ++j) r[j] = round_to_tf32(r[j]);
    }
  }
};

// A tile for multiply-add units: [Depth][Outer] of T, converted on the way through registers.
template <class T, class Operand, int Outer, int Depth, int Threads> struct plain_tile {
  using stored = typename Operand::stored;
  static constexpr int most = Outer * Depth / Threads * Operand::size;
  using units = typename Operand::template units<Outer, Depth, Threads, (most < 16 ? most : 16)>;
  static constexpr int pitch = Outer + 16 / static_cast<int>(sizeof(T)), elements = Depth * pitch;
  static constexpr int count = units::each * units::per;
  template <class Units, bool Computed> struct registers { using type = T[count]; };
  template <class Units> struct registers<Units, true> { using type = typename Units::held[Units::each]; };
  using held = typename registers<units, Operand::computed>::type;  // of a tile on its way
  // Units are loaded as they are, and are inside the matrix or outside.
  static constexpr bool all_whole = [] {
    if constexpr (Operand::computed) return false;
    else return units::whole;
  }();

  template <class Context> FORMWORK_DEVICE static void load([[maybe_unused]] Context const& a, held& x, units const& u) {
    FORMWORK_UNROLL
    for (int i = 0; i < units::each; ++i) {
      if constexpr (Operand::computed) {
        u.load(a, i, x[i]);
      } else {
        load(x, i * units::per, u.address(i), u.there(i));
      }
    }
  }
  template <class Context> FORMWORK_DEVICE static void store([[maybe_unused]] Context const& a, T* to, held& x, units const& u) {
    FORMWORK_UNROLL
    for (int i = 0; i < units::each; ++i) {
      if constexpr (Operand::computed) {
        stored y[units::per];
        u.finish(a, i, x[i], y);
        put(to, u, i, y, 0);
      } else {
        put(to, u, i, x, i * units::per);
      }
    }
  }

 private:
  // A unit of which `count` elements are inside the matrix, and zeros.
  template <int Count> FORMWORK_DEVICE static void load(T (&x)[Count], int begin, const stored* from, int count) {
    if constexpr (units::per > 1)
      if (count == units::per) return load_run<units::unit>(x, begin, from, units::per);
    constexpr bool in_part = units::per == 1 || !units::whole;
    FORMWORK_UNROLL
    for (int e = 0; e < units::per; ++e) x[begin + e] = in_part && e < count ? static_cast<T>(from[e]) : T(0);
  }
  template <class Value, int Count> FORMWORK_DEVICE static void put(T* to, units const& u, int i, Value const (&x)[Count], int begin) {
    FORMWORK_UNROLL
    for (int e = 0; e < units::per; ++e) {
      const int o = Operand::along_k ? u.line_of(i) : u.first + e, k = Operand::along_k ? u.first + e : u.line_of(i);
      to[k * pitch + o] = static_cast<T>(x[begin + e]);
    }
  }
};

}  // namespace formwork::gpu::detail
