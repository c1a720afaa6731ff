// What the tape of an attention's score says to every backend: which slots a result needs, how its tables are
// addressed, and the mask on whole blocks of positions by interval arithmetic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "../core/interval.hpp"
#include "../core/math.hpp"
#include "../ops/add.hpp"
#include "../ops/equal.hpp"
#include "../ops/greater.hpp"
#include "../ops/greater_equal.hpp"
#include "../ops/less.hpp"
#include "../ops/less_equal.hpp"
#include "../ops/logical_and.hpp"
#include "../ops/logical_not.hpp"
#include "../ops/logical_or.hpp"
#include "../ops/multiply.hpp"
#include "../ops/negate.hpp"
#include "../ops/not_equal.hpp"
#include "../ops/subtract.hpp"
#include "tape_traits.hpp"

namespace formwork {

namespace detail {

template <class Op, class... List> inline constexpr bool is_one_of = (std::is_same_v<Op, List> || ...);
template <class Op> inline constexpr bool joins_truths = is_one_of<Op, ops::logical_and, ops::logical_or, ops::logical_not>;
template <class Op>
inline constexpr bool works_on_intervals =
    is_one_of<Op, ops::add, ops::subtract, ops::multiply, ops::negate, ops::equal, ops::not_equal, ops::less, ops::less_equal, ops::greater, ops::greater_equal>;

}  // namespace detail

// The axes of a score, as the instruction `index` numbers them.
enum score_axis : int { batch_axis, head_axis, query_axis, key_axis };

// Slots of the tape: Score is z, Derivative its adjoint ds (or -1), Mask the visibility (or -1: everything).
template <int Score, int Derivative, int Mask, class Arguments, class Tape> struct score_facts;
template <int Score, int Derivative, int Mask, class Arguments, class... I>
struct score_facts<Score, Derivative, Mask, Arguments, tape<I...>> {
  static constexpr int size = sizeof...(I);
  using traits = tape_traits<tape<I...>>;
  struct flags { bool at[size]; };

  // ---- which slots ----

  // What a pass over the tape is for; sums of these.
  static constexpr int for_score = 1, for_mask = 2, for_derivative = 4, for_tables = 8, for_places = 16, for_weight = 32;

  // The slot of the factor of a pair's probability, or -1.
  static constexpr int find_weight() {
    constexpr int factor[] = {(I::what == opcode::weigh ? operand_slot<I, 0>() : -1)..., -1};
    int s = -1;
    for (int f : factor)
      if (f >= 0) s = f;
    return s;
  }
  static constexpr int weight = find_weight();
  static constexpr int draws = (0 + ... + (I::what == opcode::random ? 1 : 0));

  // c where slot s is c times the slot of `what` (the score, or dz), c a constant; 0 where it is anything else.
  static constexpr double multiple_of(opcode what, int s) {
    constexpr opcode all[] = {I::what...};
    constexpr double number[] = {I::number...};
    constexpr bool product[] = {(I::what == opcode::map && std::is_same_v<typename I::op, ops::multiply>)...};
    constexpr int in[][2] = {{operand_slot<I, 0>(), operand_slot<I, 1>()}...};
    if (s < 0) return 0;
    if (all[s] == what) return 1;
    if (!product[s]) return 0;
    if (all[in[s][0]] == opcode::constant) return number[in[s][0]] * multiple_of(what, in[s][1]);
    if (all[in[s][1]] == opcode::constant) return number[in[s][1]] * multiple_of(what, in[s][0]);
    return 0;
  }

  // The slots that slot s depends on, and itself.
  static constexpr void add_closure(flags& need, int s) {
    constexpr int in[][5] = {{operand_slot<I, 0>(), operand_slot<I, 1>(), operand_slot<I, 2>(), operand_slot<I, 3>(), operand_slot<I, 4>()}...};
    if (s < 0) return;
    need.at[s] = true;
    for (int k = s; k >= 0; --k)
      if (need.at[k])
        for (int x : in[k])
          if (x >= 0) need.at[x] = true;
  }
  static constexpr flags needs(int what) {
    flags need{};
    if (what & for_score) add_closure(need, Score);
    if (what & for_mask) add_closure(need, Mask);
    if (what & for_derivative) add_closure(need, Derivative);
    if (what & for_weight) add_closure(need, weight);
    if (what & for_tables)
      for (int k = 0; k < size; ++k)
        if (traits::opcodes[k] == opcode::lookup_gradient) add_closure(need, k);
    if (what & for_places) {  // the indices of those tables
      constexpr int in[][4] = {{operand_slot<I, 1>(), operand_slot<I, 2>(), operand_slot<I, 3>(), operand_slot<I, 4>()}...};
      for (int k = 0; k < size; ++k)
        if (traits::opcodes[k] == opcode::lookup_gradient)
          for (int x : in[k]) add_closure(need, x);
    }
    return need;
  }
  template <int What> static constexpr flags needed = needs(What);

  // ---- tables ----

  template <class N> static constexpr std::size_t table_elements() {
    std::size_t n = 0;
    if constexpr (N::what == opcode::lookup_gradient) {
      using address = typename argument_at<Arguments, N::argument>::row;
      n = 1;
      for (int i = 0; i < address::rank; ++i) n *= static_cast<std::size_t>(address::extent(i));
    }
    return n;
  }
  static constexpr int gradients = (0 + ... + (I::what == opcode::lookup_gradient ? 1 : 0));
  static constexpr std::size_t gradient_elements = (std::size_t{0} + ... + table_elements<I>());
  // Where the elements of instruction K's table begin, if the tables with a gradient lie one after the other.
  static constexpr std::size_t table_offset(int k) {
    constexpr std::size_t sizes[] = {table_elements<I>()..., 0};
    std::size_t n = 0;
    for (int j = 0; j < k; ++j) n += sizes[j];
    return n;
  }

  // What index i of an axis adds to the offset in a table; indices outside name the table's nearest element.
  template <class Address, int Axis, class Integer> FORMWORK_INLINE FORMWORK_FN static Integer table_term(Integer i) {
    using math::max;
    using math::min;
    i = max(min(i, Integer(static_cast<std::int32_t>(Address::extent(Axis) - 1))), Integer(0));
    return i * Integer(static_cast<std::int32_t>(Address::stride(Axis)));
  }

  // ---- the mask on blocks ----

  // For the queries [q0, q1) and the keys [k0, k1): 1 all pairs are visible, 0 none is, -1 unknown. With the kernel's
  // arguments, what a mask looks up by batch and head alone is known: a length, say.
  FORMWORK_FN static int visible_block(std::ptrdiff_t batch, std::ptrdiff_t head, std::ptrdiff_t q0, std::ptrdiff_t q1, std::ptrdiff_t k0, std::ptrdiff_t k1,
                                       void* const* arguments = nullptr) {
    if constexpr (Mask < 0) return 1;
    else {
      block_values v{{{batch, batch}, {head, head}, {q0, q1 - 1}, {k0, k1 - 1}}, {}, {}, arguments};
      walk(v, std::make_index_sequence<sizeof...(I)>{});
      return !v.truth[Mask].can_fail ? 1 : !v.truth[Mask].can_hold ? 0 : -1;
    }
  }

 private:
  struct block_values {
    interval axis[4];
    interval number[size];
    maybe truth[size];
    void* const* arguments;
  };

  // Integers whose range on a block is known. Of truth values something is always known, if only that they can be both.
  struct ranges { flags known, same; };  // same: one number on a whole block, since queries and keys do not matter
  static constexpr ranges known_ranges() {
    constexpr bool integer[] = {class_of(I::type) == slot_class::integer...};
    constexpr bool derived[] = {(I::what == opcode::map && detail::works_on_intervals<typename I::op>)...};
    constexpr int axis[] = {(I::what == opcode::index ? static_cast<int>(I::inner) : -1)...};
    constexpr int in[][5] = {{operand_slot<I, 0>(), operand_slot<I, 1>(), operand_slot<I, 2>(), operand_slot<I, 3>(), operand_slot<I, 4>()}...};
    ranges r{};
    for (int k = 0; k < size; ++k) {
      const opcode what = traits::opcodes[k];
      r.known.at[k] = integer[k] && (what == opcode::index || what == opcode::constant || what == opcode::lookup || derived[k]);
      r.same.at[k] = r.known.at[k] && axis[k] != query_axis && axis[k] != key_axis;
      for (int x : in[k])
        if (x >= 0 && (what == opcode::lookup || derived[k])) {
          r.same.at[k] = r.same.at[k] && r.same.at[x];
          r.known.at[k] = r.known.at[k] && (what == opcode::lookup ? r.same.at[x] : r.known.at[x]);
        }
    }
    return r;
  }
  static constexpr flags known = known_ranges().known;

  template <std::size_t... K> FORMWORK_FN static void walk(block_values& v, std::index_sequence<K...>) { (one<I, static_cast<int>(K)>(v), ...); }

  template <class N, int K> FORMWORK_FN static void one(block_values& v) {
    if constexpr (needed<for_mask>.at[K]) {
      constexpr slot_class c = class_of(N::type);
      if constexpr (N::what == opcode::index) {
        v.number[K] = v.axis[N::inner];
      } else if constexpr (N::what == opcode::constant) {
        constexpr long x = static_cast<long>(N::number);
        if constexpr (c == slot_class::integer) v.number[K] = {x, x};
        else if constexpr (c == slot_class::boolean) v.truth[K] = {x != 0, x == 0};
      } else if constexpr (N::what == opcode::lookup) {
        if constexpr (known.at[K]) v.number[K] = looked_up<N>(v, std::make_integer_sequence<int, N::inputs>{});
      } else if constexpr (N::what == opcode::map) {
        if constexpr (detail::joins_truths<typename N::op>) v.truth[K] = on_truths<N>(v, std::make_integer_sequence<int, N::inputs>{});
        else if constexpr (detail::works_on_intervals<typename N::op>) on_ranges<N, K>(v, std::make_integer_sequence<int, N::inputs>{});
      }
    }
  }
  template <class N, int... J> FORMWORK_FN static interval looked_up(block_values const& v, std::integer_sequence<int, J...>) {
    using table = argument_at<Arguments, N::argument>;
    if (!v.arguments) return {std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()};
    const long at = (0L + ... + static_cast<long>(table_term<typename table::row, J>(static_cast<std::int32_t>(v.number[N::template in<J>()].low))));
    const long x = static_cast<long>(static_cast<const element_t<table::type>*>(v.arguments[N::argument])[at]);
    return {x, x};
  }
  template <class N, int... J> FORMWORK_FN static maybe on_truths(block_values const& v, std::integer_sequence<int, J...>) {
    return N::op::value(v.truth[N::template in<J>()]...);
  }
  template <class N, int K, int... J> FORMWORK_FN static void on_ranges(block_values& v, std::integer_sequence<int, J...>) {
    if constexpr ((known.at[N::template in<J>()] && ...)) {
      if constexpr (class_of(N::type) == slot_class::boolean) v.truth[K] = N::op::value(v.number[N::template in<J>()]...);
      else v.number[K] = N::op::value(v.number[N::template in<J>()]...);
    }
  }
};

}  // namespace formwork
