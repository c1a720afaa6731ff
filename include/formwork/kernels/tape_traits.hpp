// What every backend asks of a kernel's type: the class of a slot, an argument by number, the slot of an opcode.
#pragma once

#include <array>
#include <tuple>
#include <utility>

#include "tape.hpp"

namespace formwork {

// The registers that hold a slot: the kernel's floating type, i32, or a truth value.
enum class slot_class { floating, integer, boolean };
constexpr slot_class class_of(dtype t) {
  return is_floating(t) ? slot_class::floating : t == dtype::boolean ? slot_class::boolean : slot_class::integer;
}

// The slot that is input J of an instruction, or -1.
template <class N, int J> constexpr int operand_slot() {
  if constexpr (J < N::inputs) return N::template in<J>();
  else return -1;
}

namespace detail {

template <int K, class N> struct numbered {};
template <class Numbers, class... N> struct numbered_all;
template <int... K, class... N> struct numbered_all<std::integer_sequence<int, K...>, N...> : numbered<K, N>... {};
template <int K, class N> N numbered_at(numbered<K, N>);

template <bool... Holds> constexpr auto numbers_where() {
  std::array<int, sizeof...(Holds) + 1> number{};
  int n = 0, i = 0;
  ((number[static_cast<std::size_t>(n)] = i++, n += Holds), ...);
  return number;
}
template <class, bool... Holds> struct slots_where;
template <int... J, bool... Holds> struct slots_where<std::integer_sequence<int, J...>, Holds...> {
  using type = std::integer_sequence<int, numbers_where<Holds...>()[J]...>;
};

}  // namespace detail

// The slots for which a condition holds, in order. A fold over them makes functions for these instructions alone; a
// function for each instruction, empty for most, is what a compiler of kernels would spend its time on.
template <bool... Holds> using slots_where = typename detail::slots_where<std::make_integer_sequence<int, (0 + ... + Holds)>, Holds...>::type;

// What a pass over a tape needs to know of its instructions by number.
template <class Tape> struct tape_traits;
template <class... I> struct tape_traits<tape<I...>> {
  static constexpr int size = sizeof...(I);
  template <int K> using instruction = decltype(detail::numbered_at<K>(detail::numbered_all<std::make_integer_sequence<int, size>, I...>{}));
  static constexpr opcode opcodes[sizeof...(I) + 1] = {I::what..., opcode::constant};
  static constexpr int arguments[sizeof...(I) + 1] = {I::argument..., -1};
  static constexpr level levels[sizeof...(I) + 1] = {I::at..., level::row};
  static constexpr dtype types[sizeof...(I) + 1] = {I::type..., dtype::f32};

  // The first slot of an opcode, or the one after `skipped` others; -1 where there is none.
  static constexpr int slot_of(opcode what, int skipped = 0) {
    for (int k = 0; k < size; ++k)
      if (opcodes[k] == what && skipped-- == 0) return k;
    return -1;
  }
  static constexpr int count_of(opcode what) {
    int n = 0;
    for (int k = 0; k < size; ++k) n += opcodes[k] == what;
    return n;
  }
  // How many instructions before slot K satisfy a condition on their opcode.
  template <class Condition> static constexpr int count_before(int k, Condition holds) {
    int n = 0;
    for (int i = 0; i < k; ++i) n += holds(opcodes[i]) ? 1 : 0;
    return n;
  }
};

constexpr bool is_row_reduction(opcode o) { return o == opcode::reduce_sum || o == opcode::reduce_maximum; }
constexpr bool is_column_reduction(opcode o) { return o == opcode::column_sum || o == opcode::column_maximum; }
constexpr bool is_maximum(opcode o) { return o == opcode::reduce_maximum || o == opcode::column_maximum; }

// The sums of a tape along its rows, or down its columns: how many, their slots, and the number of the one at slot K.
template <class Tape, bool (*Holds)(opcode)> struct tape_results;
template <class... I, bool (*Holds)(opcode)> struct tape_results<tape<I...>, Holds> {
  static constexpr int count = (0 + ... + (Holds(I::what) ? 1 : 0));
  using slots = slots_where<Holds(I::what)...>;
  template <int K> static constexpr int ordinal() { return tape_traits<tape<I...>>::count_before(K, Holds); }
};
template <class Tape> using column_results = tape_results<Tape, is_column_reduction>;
template <class Tape> using row_results = tape_results<Tape, is_row_reduction>;

namespace detail {
template <class Arguments, int K> struct argument_of;
template <class... A, int K> struct argument_of<tape_arguments<A...>, K> { using type = std::tuple_element_t<static_cast<std::size_t>(K), std::tuple<A...>>; };
}  // namespace detail
template <class Arguments, int K> using argument_at = typename detail::argument_of<Arguments, K>::type;

// The largest offset that an address can reach.
template <class Address> constexpr long furthest() {
  long n = 0;
  for (int i = 0; i < Address::rank; ++i) n += (Address::extent(i) - 1) * Address::stride(i);
  return n;
}

}  // namespace formwork
