// What a tape does once per row, the same on every backend: row-level slots are scalars.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/philox.hpp"
#include "launch.hpp"
#include "tape_traits.hpp"

namespace formwork {

template <class T, int Size> struct row_slots {
  T f[Size];
  std::int32_t i[Size];
  bool b[Size];
};

template <class Traits, int S, class T, int Size> FORMWORK_INLINE FORMWORK_FN auto row_value(row_slots<T, Size> const& row) {
  constexpr slot_class c = class_of(Traits::types[S]);
  if constexpr (c == slot_class::floating) return row.f[S];
  else if constexpr (c == slot_class::integer) return row.i[S];
  else return row.b[S];
}

template <int K, slot_class C, class T, int Size, class V> FORMWORK_INLINE FORMWORK_FN void set_row(row_slots<T, Size>& row, V v) {
  if constexpr (C == slot_class::floating) row.f[K] = static_cast<T>(v);
  else if constexpr (C == slot_class::integer) row.i[K] = static_cast<std::int32_t>(v);
  else row.b[K] = static_cast<bool>(v);
}

// Pointers of one row: an argument's first element in that row, as bytes; for coordinates its offset in elements.
template <int Size> struct row_pointers {
  char* data[Size > 0 ? Size : 1];
  std::ptrdiff_t offset[Size > 0 ? Size : 1];
};

// The largest offset that an index is made from, and the integers that hold it.
template <class Argument> constexpr long furthest_offset = Argument::first + furthest<typename Argument::row>() + furthest<typename Argument::column>();
template <class Argument> using offset_type = std::conditional_t<(furthest_offset<Argument> < (1l << 31)), std::int32_t, std::int64_t>;

// offset / inner % extent, the coordinate that an index names, as far as it has to be computed. V: offset_type, or a pack.
template <class Instruction, class Arguments, class V> FORMWORK_INLINE FORMWORK_FN auto coordinate_of(V offset) {
  using argument = argument_at<Arguments, Instruction::argument>;
  using number = offset_type<argument>;
  if constexpr (furthest_offset<argument> < Instruction::inner) return V(number(0));
  else {
    if constexpr (Instruction::inner != 1) offset = offset / V(static_cast<number>(Instruction::inner));
    if constexpr (furthest_offset<argument> >= Instruction::inner * Instruction::extent) offset = offset % V(static_cast<number>(Instruction::extent));
    return offset;
  }
}

// Context: arguments[], random, iteration, as in launch_context.
template <class T, class Arguments, class Tape> struct row_runner;
template <class T, class... A, class... I> struct row_runner<T, tape_arguments<A...>, tape<I...>> {
  using list = tape_arguments<A...>;
  static constexpr int size = sizeof...(I) > 0 ? sizeof...(I) : 1;
  using traits = tape_traits<tape<I...>>;
  using row_t = row_slots<T, size>;
  using pointers = row_pointers<sizeof...(A)>;

  template <class Base> FORMWORK_INLINE FORMWORK_FN static void set_pointers(pointers& p, Base const& base, std::ptrdiff_t row) {
    place_rows(p, base, row, std::make_index_sequence<sizeof...(A)>{});
  }

  // Row-level instructions of a stage (before its walk; stage == stages: after the last). A gather moves the row
  // pointer of its table to the row that the index names, and so does what is placed: nowhere if there is no such row.
  template <int Stage, class Context> FORMWORK_INLINE FORMWORK_FN static void run(Context const& ctx, row_t& row, pointers& p) {
    run_all<Stage, true>(ctx, row, p, slots_where<runs<I>(Stage, true)...>{});
  }
  // The same without stores, which `store` does for all stages at once: for threads that share a row.
  static constexpr bool has_stores = (false || ... || (I::at == level::row && I::what == opcode::store));
  FORMWORK_INLINE FORMWORK_FN static void store(row_t const& row, pointers const& p) { store_all(row, p, slots_where<stores<I>()...>{}); }
  template <int Stage, class Context> FORMWORK_INLINE FORMWORK_FN static void run_without_stores(Context const& ctx, row_t& row, pointers& p) {
    run_all<Stage, false>(ctx, row, p, slots_where<runs<I>(Stage, false)...>{});
  }

 private:
  template <class Base, std::size_t... K> FORMWORK_INLINE FORMWORK_FN static void place_rows(pointers& p, Base const& base, std::ptrdiff_t row, std::index_sequence<K...>) {
    ((p.offset[K] = A::first + A::row::offset(row), p.data[K] = static_cast<char*>(base[K]) + p.offset[K] * static_cast<std::ptrdiff_t>(size_of(A::type))), ...);
  }
  template <class N> static constexpr bool stores() { return N::at == level::row && N::what == opcode::store; }
  template <class N> static constexpr bool runs(int stage, bool with_stores) {
    if ((N::what == opcode::gather || N::what == opcode::place) && stage == 0) return true;
    return N::at == level::row && N::stage == stage && (with_stores || N::what != opcode::store);
  }
  template <int Stage, bool Stores, class Context, int... K>
  FORMWORK_INLINE FORMWORK_FN static void run_all(Context const& ctx, row_t& row, pointers& p, std::integer_sequence<int, K...>) {
    (one<Stage, Stores, typename traits::template instruction<K>, K>(ctx, row, p), ...);
  }
  template <int... K> FORMWORK_INLINE FORMWORK_FN static void store_all(row_t const& row, pointers const& p, std::integer_sequence<int, K...>) {
    (store_one<typename traits::template instruction<K>>(row, p), ...);
  }
  template <class N> FORMWORK_INLINE FORMWORK_FN static void store_one(row_t const& row, pointers const& p) {
    using element = element_t<N::type>;
    *reinterpret_cast<element*>(p.data[N::argument]) = static_cast<element>(row_value<traits, N::template in<0>()>(row));
  }

  template <class N, int... J> FORMWORK_INLINE FORMWORK_FN static auto apply(row_t const& row, std::integer_sequence<int, J...>) {
    return N::op::value(row_value<traits, N::template in<J>()>(row)...);
  }

  template <int Stage, bool Stores, class N, int K, class Context>
  FORMWORK_INLINE FORMWORK_FN static void one([[maybe_unused]] Context const& ctx, row_t& row, pointers& p) {
    constexpr slot_class c = class_of(N::type);
    if constexpr ((N::what == opcode::gather || N::what == opcode::place) && Stage == 0) {
      using table = argument_at<list, N::argument>;
      constexpr bool places = N::what == opcode::place;
      std::ptrdiff_t at = row.i[N::template in<places ? 1 : 0>()];
      constexpr std::ptrdiff_t last = table::row::extent(0) - 1;
      const bool outside = at < 0 || at > last;
      at = at < 0 ? 0 : at > last ? last : at;
      if (places && outside) p.data[N::argument] = nullptr;
      else p.data[N::argument] = static_cast<char*>(ctx.arguments[N::argument]) + at * table::row::stride(0) * static_cast<std::ptrdiff_t>(size_of(table::type));
    }
    if constexpr (N::at == level::row && N::stage == Stage) {
      using element = element_t<N::type>;
      if constexpr (N::what == opcode::constant) set_row<K, c>(row, N::number);
      else if constexpr (N::what == opcode::load) set_row<K, c>(row, *reinterpret_cast<const element*>(p.data[N::argument]));
      else if constexpr (N::what == opcode::index) set_row<K, c>(row, coordinate_of<N, list>(static_cast<offset_type<argument_at<list, N::argument>>>(p.offset[N::argument])));
      else if constexpr (N::what == opcode::random)
        set_row<K, c>(row, philox::uniform(ctx.random->seed, random_stream(ctx.random->step, static_cast<std::uint32_t>(N::inner), ctx.iteration), static_cast<std::uint64_t>(p.offset[N::argument])));
      else if constexpr (N::what == opcode::map) set_row<K, c>(row, apply<N>(row, std::make_integer_sequence<int, N::inputs>{}));
      else if constexpr (N::what == opcode::cast) set_row<K, c>(row, row_value<traits, N::template in<0>()>(row));
      else if constexpr (N::what == opcode::store && Stores) store_one<N>(row, p);
    }
  }
};

}  // namespace formwork
