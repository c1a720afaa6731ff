// Sums along the rows of a product on the CPU: in each row every block of columns, which arrive in their order, leaves a
// partial sum; these are added in their order, and what follows from the sums is computed once per row.
#pragma once

#include "column_sums.hpp"

namespace formwork::cpu::detail {

// Partial sums: [ordinal][row][part].
template <class T, long Rows, long Columns, long Block, class Arguments, class Tape> struct row_sums {
  using runner = tape_runner<T, Arguments, Tape>;
  using lanes = pack<T, runner::width>;
  using slots = typename row_results<Tape>::slots;
  static constexpr int results = row_results<Tape>::count;
  static constexpr long parts = (Columns + Block - 1) / Block;
  static constexpr std::size_t bytes = static_cast<std::size_t>(results * Rows * parts) * sizeof(T);
  static_assert(Block % runner::width == 0);
  template <int K> using instruction = typename tape_traits<Tape>::template instruction<K>;
  template <int K> static constexpr int ordinal() { return row_results<Tape>::template ordinal<K>(); }

  // Of one row and block.
  struct part {
    T* first;  // of the parts of row 0
    std::ptrdiff_t at;
    lanes sum[results > 0 ? results : 1];

    FORMWORK_INLINE part(T* partial, std::ptrdiff_t row, std::ptrdiff_t column) : first(partial), at(row * parts + column / Block) { start(slots{}); }
    // The first `count` of the values.
    template <class N, int K> FORMWORK_INLINE void add(lanes v, int count) {
      if (count < runner::width) v = select(mask<T, runner::width>::first(count), v, lanes(neutral<T, N>()));
      sum[ordinal<K>()] = combine<N>(sum[ordinal<K>()], v);
    }
    FORMWORK_INLINE void finish() const { finish_all(slots{}); }

   private:
    template <int... K> FORMWORK_INLINE void start(std::integer_sequence<int, K...>) { ((sum[ordinal<K>()] = lanes(neutral<T, instruction<K>>())), ...); }
    template <int... K> FORMWORK_INLINE void finish_all(std::integer_sequence<int, K...>) const { ((first[ordinal<K>() * Rows * parts + at] = across<instruction<K>>(sum[ordinal<K>()])), ...); }
    template <class N> FORMWORK_INLINE static T across(lanes v) {
      if constexpr (is_maximum(N::what)) return reduce_max(v);
      else return reduce_add(v);
    }
  };

  static void finish(launch_context const& ctx, const T* partial) {
    auto some_rows = [&](std::ptrdiff_t b, std::ptrdiff_t e) {
      for (std::ptrdiff_t r = b; r < e; ++r) {
        typename runner::row_t row;
        typename runner::pointers p;
        runner::rows::set_pointers(p, ctx.arguments, r);
        runner::rows::template run<0>(ctx, row, p);
        add_all(partial, r, row, slots{});
        runner::rows::template run<1>(ctx, row, p);
      }
    };
    if (results * Rows * parts < serial_elements) some_rows(0, Rows);
    else parallel_ranges(Rows, some_rows);
  }

 private:
  template <int... K> FORMWORK_INLINE static void add_all(const T* partial, std::ptrdiff_t r, typename runner::row_t& row, std::integer_sequence<int, K...>) {
    ((row.f[K] = added<instruction<K>>(partial + (ordinal<K>() * Rows + r) * parts)), ...);
  }
  template <class N> FORMWORK_INLINE static T added(const T* part) {
    T sum = part[0];
    for (long i = 1; i < parts; ++i) sum = combine<N>(sum, part[i]);
    return sum;
  }
};

}  // namespace formwork::cpu::detail
