// Gradients of the tables that a score looks up, without atomics: a block of threads stages the adjoints of its tile in
// shared memory; each thread sums those along one line of the tile, and what threads have for the same element is added in
// the order of the threads. The lines run where the index does not change: a bias of query - key is summed along
// diagonals, a bias of the key down columns.
#pragma once

#include "attend_score.hpp"

namespace formwork::gpu {

namespace detail {

// A step from one element of a line to the next; `none`: no direction keeps the index.
enum class line { column, row, diagonal, antidiagonal, none };
constexpr int line_query_step(line d) { return d == line::row ? 0 : 1; }
constexpr int line_key_step(line d) { return d == line::row || d == line::diagonal ? 1 : d == line::antidiagonal ? -1 : 0; }

// Which slots of a tape keep their value along a line.
template <class Tape> struct line_facts;
template <class... I> struct line_facts<tape<I...>> {
  static constexpr int size = sizeof...(I);
  struct linear { bool known; double query, key; };  // query q + key k + a constant of the head

  template <class Op> static constexpr int sign_of() {  // of the second input, or of the only one
    return std::is_same_v<Op, ops::add> ? 1 : std::is_same_v<Op, ops::subtract> || std::is_same_v<Op, ops::negate> ? -1 : 0;
  }
  static constexpr void find_linear(linear (&f)[size + 1]) {
    constexpr opcode what[] = {I::what...};
    constexpr long axis[] = {I::inner...};
    constexpr double number[] = {I::number...};
    constexpr bool whole[] = {(class_of(I::type) == slot_class::integer)...};
    constexpr int sign[] = {sign_of<typename I::op>()...};
    constexpr bool product[] = {std::is_same_v<typename I::op, ops::multiply>...};
    constexpr int in[][2] = {{operand_slot<I, 0>(), operand_slot<I, 1>()}...};
    for (int k = 0; k < size; ++k) {
      f[k] = {false, 0, 0};
      if (!whole[k]) continue;
      if (what[k] == opcode::constant) f[k] = {true, 0, 0};
      if (what[k] == opcode::index) f[k] = {true, axis[k] == query_axis ? 1. : 0., axis[k] == key_axis ? 1. : 0.};
      if (what[k] != opcode::map || (sign[k] == 0 && !product[k])) continue;
      linear const a = f[in[k][0]], b = in[k][1] >= 0 ? f[in[k][1]] : linear{true, 0, 0};
      if (!a.known || !b.known) continue;
      if (sign[k] != 0 && in[k][1] < 0) f[k] = {true, -a.query, -a.key};
      else if (sign[k] != 0) f[k] = {true, a.query + sign[k] * b.query, a.key + sign[k] * b.key};
      else if (what[in[k][1]] == opcode::constant) f[k] = {true, a.query * number[in[k][1]], a.key * number[in[k][1]]};
      else if (what[in[k][0]] == opcode::constant) f[k] = {true, b.query * number[in[k][0]], b.key * number[in[k][0]]};
    }
  }
  static constexpr void find_constant(bool (&c)[size + 1], line d) {
    constexpr opcode what[] = {I::what...};
    constexpr int in[][5] = {{operand_slot<I, 0>(), operand_slot<I, 1>(), operand_slot<I, 2>(), operand_slot<I, 3>(),
                              operand_slot<I, 4>()}...};
    linear f[size + 1];
    find_linear(f);
    for (int k = 0; k < size; ++k) {
      if (f[k].known) c[k] = f[k].query * line_query_step(d) + f[k].key * line_key_step(d) == 0;
      else {
        c[k] = what[k] != opcode::score && what[k] != opcode::score_gradient && what[k] != opcode::random;
        for (int x : in[k])
          if (x >= 0) c[k] = c[k] && c[x];
      }
    }
  }
  // The direction that keeps all indices of a gradient's table.
  template <class N> static constexpr line direction() {
    constexpr int places[] = {operand_slot<N, 1>(), operand_slot<N, 2>(), operand_slot<N, 3>(), operand_slot<N, 4>()};
    for (line d : {line::column, line::row, line::diagonal, line::antidiagonal}) {
      bool constant[size + 1]{}, all = true;
      find_constant(constant, d);
      for (int x : places)
        if (x >= 0) all = all && constant[x];
      if (all) return d;
    }
    return line::none;
  }
};

// A table's elements, one after the other.
template <class Address> struct dense_table {
  static constexpr long extent(int i) { return Address::extent(i); }
  static constexpr long stride(int i) {
    long n = 1;
    for (int k = i + 1; k < Address::rank; ++k) n *= Address::extent(k);
    return n;
  }
};

}  // namespace detail

template <class Tape, class T, int Rows, int Columns, int Threads> struct attend_tables;
template <int Score, int Derivative, int Mask, class Arguments, class... I, class T, int Rows, int Columns, int Threads>
struct attend_tables<attend_tape<T, Score, Derivative, Mask, Arguments, tape<I...>>, T, Rows, Columns, Threads> {
  using tape_t = attend_tape<T, Score, Derivative, Mask, Arguments, tape<I...>>;
  using facts = typename tape_t::facts;
  using head_slots = typename tape_t::head_slots;
  static constexpr int stride = Columns + 1, matrix = Rows * stride;

  template <class N, int K> static constexpr int ordinal() {
    return facts::traits::count_before(K, is_lookup_gradient);
  }
  static constexpr bool is_lookup_gradient(opcode o) { return o == opcode::lookup_gradient; }

  // The four adjoints of a tile's element at (row, column), zeros outside the problem.
  FORMWORK_DEVICE static void stage(head_slots const& head, typename tape_t::template slots<4> const& here, T* staged, int row, int column, bool row_low, bool row_high, bool column_low, bool column_high) {
    const bool inside[4] = {row_low && column_low, row_low && column_high, row_high && column_low, row_high && column_high};
    stage_all(head, here, staged, row, column, inside, each{});
  }

  // Adds the tile that begins at (q0, k0) to the block's own tables.
  template <class Lane> FORMWORK_DEVICE static void add(Lane const& lane, head_slots const& head, void* const* arguments, const T* staged, T* sums, int q0, int k0) {
    lane.sync();
    add_all(lane, head, arguments, staged, sums, q0, k0, each{});
  }

  // Element e of all tables: the sum over the blocks.
  FORMWORK_DEVICE static void finish(void* const* arguments, const T* sums, long units, long e) { finish_all(arguments, sums, units, e, each{}); }

 private:
  using each = std::make_index_sequence<sizeof...(I)>;
  using lines_of = detail::line_facts<tape<I...>>;

  template <std::size_t... K> FORMWORK_DEVICE static void stage_all(head_slots const& head, typename tape_t::template slots<4> const& here, T* staged, int row, int column, bool const (&inside)[4], std::index_sequence<K...>) {
    (stage_one<I, static_cast<int>(K)>(head, here, staged, row, column, inside), ...);
  }
  template <class N, int K> FORMWORK_DEVICE static void stage_one([[maybe_unused]] head_slots const& head, [[maybe_unused]] typename tape_t::template slots<4> const& here, [[maybe_unused]] T* staged,
                                                                  [[maybe_unused]] int row, [[maybe_unused]] int column, [[maybe_unused]] bool const (&inside)[4]) {
    if constexpr (N::what == opcode::lookup_gradient) {
      FORMWORK_UNROLL
      for (int w = 0; w < 4; ++w)
        staged[ordinal<N, K>() * matrix + (row + w / 2 * 8) * stride + column + w % 2] = inside[w] ? static_cast<T>(tape_t::template value<N::template in<0>()>(head, here, w)) : T(0);
    }
  }

  template <class Lane, std::size_t... K> FORMWORK_DEVICE static void add_all(Lane const& lane, head_slots const& head, void* const* arguments, const T* staged, T* sums, int q0, int k0, std::index_sequence<K...>) {
    (add_one<I, static_cast<int>(K)>(lane, head, arguments, staged, sums, q0, k0), ...);
  }
  template <class N, int K, class Lane>
  FORMWORK_DEVICE static void add_one([[maybe_unused]] Lane const& lane, [[maybe_unused]] head_slots const& head, [[maybe_unused]] void* const* arguments, [[maybe_unused]] const T* staged,
                                      [[maybe_unused]] T* sums, [[maybe_unused]] int q0, [[maybe_unused]] int k0) {
    if constexpr (N::what == opcode::lookup_gradient) {
      static_assert(!reads_score(), "attend: the index of a table with a gradient may not depend on the score");
      constexpr detail::line d = lines_of::template direction<N>();
      constexpr bool slanted = d == detail::line::diagonal || d == detail::line::antidiagonal;
      constexpr int lines = slanted ? Rows + Columns - 1 : d == detail::line::row ? Rows : Columns;
      constexpr int steps = d == detail::line::row ? Columns : Rows;
      const T* x = staged + ordinal<N, K>() * matrix;
      T* table = sums + facts::table_offset(K);
      for (int round = 0; round < (lines + Threads - 1) / Threads; ++round) {
        const int number = round * Threads + lane.thread();
        // Where the line meets row 0 (or column 0): perhaps outside the tile.
        const int start_row = d == detail::line::row ? number : 0;
        const int start_column = d == detail::line::row ? 0 : d == detail::line::diagonal ? number - (Rows - 1) : number;
        T sum = T(0);
        for (int s = 0; s < steps; ++s) {
          const int row = start_row + s * detail::line_query_step(d), column = start_column + s * detail::line_key_step(d);
          const bool there = number < lines && column >= 0 && column < Columns;
          if (there) sum += x[row * stride + column];
          if constexpr (d == detail::line::none) {
            give<N>(lane, table, there ? place<N>(lane, head, arguments, q0 + row, k0 + column) : -1, sum);
            sum = T(0);
          }
        }
        if constexpr (d != detail::line::none) give<N>(lane, table, number < lines ? place<N>(lane, head, arguments, q0 + start_row, k0 + start_column) : -1, sum);
      }
    }
  }
  static constexpr bool reads_score() {
    for (int k = 0; k < facts::size; ++k)
      if (facts::template needed<facts::for_places>.at[k] && (facts::traits::opcodes[k] == opcode::score || facts::traits::opcodes[k] == opcode::score_gradient)) return true;
    return false;
  }

  // The element of a table that belongs to a pair.
  template <class N, class Lane> FORMWORK_DEVICE static int place(Lane const& lane, head_slots const& head, void* const* arguments, int q, int k) {
    const T none[1] = {T(0)};
    typename tape_t::template slots<1> here;
    tape_t::template run<facts::for_places, 0>(lane, head, here, none, none, one_position{q, k}, arguments);
    return place_of<N>(head, here, std::make_integer_sequence<int, N::inputs - 1>{});
  }
  template <class N, int... A> FORMWORK_DEVICE static int place_of([[maybe_unused]] head_slots const& head, [[maybe_unused]] typename tape_t::template slots<1> const& here, std::integer_sequence<int, A...>) {
    using table = detail::dense_table<typename argument_at<Arguments, N::argument>::row>;
    return (0 + ... + facts::template table_term<table, A>(tape_t::template value<N::template in<A + 1>()>(head, here, 0)));
  }

  // Every thread's sum to its element (-1: none). Of the lanes with the same element the first adds for all.
  template <class N, class Lane> FORMWORK_DEVICE static void give(Lane const& lane, T* table, int element, T sum) {
    const int l = lane.thread() % warp;
    bool leads = element >= 0;
    T total = T(0);
    for (int o = 0; o < warp; ++o) {
      const int other = lane.shuffle(element, o);
      const T x = lane.shuffle(sum, o);
      if (other == element) {
        total += x;
        if (o < l) leads = false;
      }
    }
    for (int w = 0; w < Threads / warp; ++w) {
      if (leads && lane.thread() / warp == w) table[element] += total;
      lane.sync();
    }
  }

  template <std::size_t... K> FORMWORK_DEVICE static void finish_all(void* const* arguments, const T* sums, long units, long e, std::index_sequence<K...>) {
    (finish_one<I, static_cast<int>(K)>(arguments, sums, units, e), ...);
  }
  template <class N, int K> FORMWORK_DEVICE static void finish_one([[maybe_unused]] void* const* arguments, [[maybe_unused]] const T* sums, [[maybe_unused]] long units, [[maybe_unused]] long e) {
    if constexpr (N::what == opcode::lookup_gradient) {
      using a = argument_at<Arguments, N::argument>;
      constexpr long begin = static_cast<long>(facts::table_offset(K)), count = static_cast<long>(facts::template table_elements<N>());
      if (e >= begin && e < begin + count) {
        T total = T(0);
        for (long u = 0; u < units; ++u) total += sums[u * static_cast<long>(facts::gradient_elements) + e];
        static_cast<element_t<a::type>*>(arguments[N::argument])[a::row::offset(e - begin)] = static_cast<element_t<a::type>>(total);
      }
    }
  }
};

// The tables' gradients: what the blocks have, in their order.
template <class Gradient, class Tape> struct attend_tables_launch {
  static constexpr const char* name = "attend tables";
  using T = typename Gradient::T;
  static constexpr long elements = static_cast<long>(Tape::facts::gradient_elements);
  static constexpr int threads = 128;
  static constexpr launch_shape shape{.blocks = (elements + threads - 1) / threads, .threads = threads};
  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    Gradient::tables::finish(a.arguments, static_cast<const T*>(a.scratch) + Gradient::saved::elements, Gradient::units, lane.block() * threads + lane.thread());
  }
};

}  // namespace formwork::gpu
