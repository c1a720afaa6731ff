// An operand that a product computes where it reads it: each thread runs the tape on the units of a tile that it owns,
// in registers, and puts the results where copies from memory would land. Half of it, the loads from memory, is done
// before a part of the products of the tile at hand, the rest behind it.
#pragma once

#include "../../kernels/tape_prologue.hpp"
#include "contract_operand.hpp"

namespace formwork::gpu::detail {

// What of a unit can be outside of the matrix.
enum class unit_edge { nothing, whole_units, elements };

// Vector neighbours of a row, of which `count` are there.
template <int Vector, unit_edge Edge> struct unit_columns {
  static constexpr int chunks = 1, vector = Vector, width = Vector;
  long first;
  int count;
  FORMWORK_DEVICE long of(int) const { return first; }
  FORMWORK_DEVICE bool whole(int) const { return Edge == unit_edge::nothing || (Edge == unit_edge::whole_units ? count > 0 : count >= Vector); }
  FORMWORK_DEVICE bool holds(int w) const { return Edge == unit_edge::nothing || (Edge == unit_edge::whole_units ? count > 0 : w < count); }
};

// The units of a tile that one thread computes, as tile_units of what lies in memory.
template <class Operand, int Outer, int Depth, int Threads, int MostBytes> struct computed_units {
  using stored = typename Operand::stored;
  using runner = typename Operand::runner;
  using part = typename Operand::part;
  using place = typename Operand::place;
  static constexpr int size = Operand::size, unit = MostBytes > size ? MostBytes : size, per = unit / size;
  static constexpr bool along_k = Operand::along_k;
  static constexpr int line_elements = along_k ? Depth : Outer, lines = along_k ? Outer : Depth;
  static constexpr int in_line = line_elements / per;
  static_assert(Threads % in_line == 0 && lines * in_line >= Threads && lines % (Threads / in_line) == 0);
  static constexpr int lines_apart = Threads / in_line, each = lines / lines_apart;
  static constexpr long line_extent = along_k ? Operand::outer_extent : Operand::depth_extent, run_extent = along_k ? Operand::depth_extent : Operand::outer_extent;
  static constexpr unit_edge edge = line_extent % lines == 0 && run_extent % line_elements == 0 ? unit_edge::nothing
                                    : run_extent % per == 0                                      ? unit_edge::whole_units
                                                                                                 : unit_edge::elements;
  using columns = unit_columns<per, edge>;
  using row_t = typename runner::row_t;

  // A unit on its way: what its loads have brought.
  struct held {
    typename runner::template slots<columns> slots;
    row_t row;
  };

  int line, first;      // of the first unit, in the tile
  int line_at, run_at;  // of the tile's first element, in the matrix
  int batch;
  row_t row[along_k ? each : 1];  // a line along k is in one row for all of k

  template <class Context> FORMWORK_DEVICE computed_units(Context const& a, int thread, long in_batch, long outer_begin, long k_begin)
      : line(thread / in_line), first(thread % in_line * per), line_at(static_cast<int>(along_k ? outer_begin : k_begin)), run_at(static_cast<int>(along_k ? k_begin : outer_begin)),
        batch(static_cast<int>(in_batch)) {
    if constexpr (along_k) {
      FORMWORK_UNROLL
      for (int i = 0; i < each; ++i) run_row(a, i, row[i]);
    }
  }
  FORMWORK_DEVICE void next() { (along_k ? run_at : line_at) += Depth; }
  FORMWORK_DEVICE int line_of(int i) const { return line + i * lines_apart; }

  template <class Context> FORMWORK_DEVICE void load(Context const& a, int i, held& h) const {
    typename runner::pointers p;
    no_reductions none;
    runner::rows::set_pointers(p, a.arguments, matrix_row(i));
    if constexpr (!along_k) runner::rows::template run<part::stage>(a, h.row, p);
    runner::template run<part::stage, true, tape_part::loads>(a, row_of(i, h), h.slots, p, columns_of(i), none);
  }
  // The values of unit i; zeros outside of the matrix, where the tape gives anything.
  template <class Context> FORMWORK_DEVICE void finish(Context const& a, int i, held& h, stored (&x)[per]) const {
    typename runner::pointers p;
    no_reductions none;
    const columns at = columns_of(i);
    runner::rows::set_pointers(p, a.arguments, matrix_row(i));
    runner::template run<part::stage, true, tape_part::after_loads>(a, row_of(i, h), h.slots, p, at, none);
    FORMWORK_UNROLL
    for (int w = 0; w < per; ++w) {
      const stored v = static_cast<stored>(runner::template value<part::result>(row_of(i, h), h.slots, w));
      x[w] = at.holds(w) ? v : stored{};
    }
  }

 private:
  FORMWORK_DEVICE row_t const& row_of(int i, held const& h) const {
    if constexpr (along_k) return row[i];
    else return h.row;
  }
  // The row of the tape; of lines outside of the matrix that of the last one.
  FORMWORK_DEVICE long matrix_row(int i) const {
    long l = line_at + line_of(i);
    if constexpr (edge != unit_edge::nothing) l = l < line_extent ? l : line_extent - 1;
    return place::row(batch, l, l);
  }
  FORMWORK_DEVICE columns columns_of(int i) const {
    columns c{static_cast<long>(run_at + first), per};
    if constexpr (edge != unit_edge::nothing) c.count = line_at + line_of(i) < line_extent ? static_cast<int>(run_extent) - (run_at + first) : 0;
    return c;
  }
  template <class Context> FORMWORK_DEVICE void run_row(Context const& a, int i, row_t& r) const {
    typename runner::pointers p;
    runner::rows::set_pointers(p, a.arguments, matrix_row(i));
    runner::rows::template run<part::stage>(a, r, p);
  }
};

// An operand of stage Which + 1 of the tape, as matrix_operand.
template <class T, class Arguments, class Tape, int Which, class Strides, long OuterExtent, long K> struct computed_operand {
  static constexpr bool computed = true;
  static constexpr int products = 1;
  using part = tape_prologue<Tape, Which>;
  using place = prologue_rows<Strides, part::columns>;
  using runner = element_runner<T, Arguments, Tape>;
  using stored = element_t<argument_at<Arguments, Which>::type>;
  static constexpr int size = static_cast<int>(sizeof(stored));
  static constexpr long outer_extent = OuterExtent, depth_extent = K;
  static constexpr bool along_k = place::along_k;
  template <int Outer, int Depth, int Threads, int MostBytes> using units = computed_units<computed_operand, Outer, Depth, Threads, MostBytes>;
};

// The computed units of the next tile, in shares that go between the steps of the products of the tile at hand.
template <class ATile, class BTile, int Steps> struct next_tile {
  template <class Tile> static constexpr int share = (Tile::units::each + Steps - 1) / Steps;
  template <class Tile, bool Computed> struct held_of { struct type {}; };
  template <class Tile> struct held_of<Tile, true> {
    struct type { typename Tile::units::held unit[share<Tile>]; };
  };
  template <class Tile> using held = typename held_of<Tile, Tile::computed>::type;

  held<ATile> of_a;
  held<BTile> of_b;

  template <class Context, class FromA, class FromB> FORMWORK_DEVICE void load(Context const& a, FromA const& from_a, FromB const& from_b, int step) {
    load<ATile>(a, from_a, of_a, step);
    load<BTile>(a, from_b, of_b, step);
  }
  template <class Context, class FromA, class FromB> FORMWORK_DEVICE void finish(Context const& a, FromA const& from_a, FromB const& from_b, int step, std::byte* stage_memory) {
    finish<ATile>(a, from_a, of_a, step, stage_memory);
    finish<BTile>(a, from_b, of_b, step, stage_memory + ATile::bytes);
  }

 private:
  template <class Tile, class Context>
  FORMWORK_DEVICE static void load([[maybe_unused]] Context const& a, [[maybe_unused]] typename Tile::units const& from, [[maybe_unused]] held<Tile>& h, [[maybe_unused]] int step) {
    if constexpr (Tile::computed) {
      FORMWORK_UNROLL
      for (int j = 0; j < share<Tile>; ++j)
        if (step * share<Tile> + j < Tile::units::each) from.load(a, step * share<Tile> + j, h.unit[j]);
    }
  }
  template <class Tile, class Context>
  FORMWORK_DEVICE static void finish([[maybe_unused]] Context const& a, [[maybe_unused]] typename Tile::units const& from, [[maybe_unused]] held<Tile>& h, [[maybe_unused]] int step,
                                     [[maybe_unused]] std::byte* to) {
    if constexpr (Tile::computed) {
      FORMWORK_UNROLL
      for (int j = 0; j < share<Tile>; ++j) {
        const int i = step * share<Tile> + j;
        if (i >= Tile::units::each) continue;
        typename Tile::stored x[Tile::units::per];
        from.finish(a, i, h.unit[j], x);
        Tile::put(to, from, i, x);
      }
    }
  }
};

}  // namespace formwork::gpu::detail
