// Which instructions run in which walk along a row that is too long for registers. A tape keeps what is expensive to compute
// from one walk to the next, as a CPU wants it; a GPU computes it again, because its arithmetic is cheaper than eight bytes
// to and from memory. What is kept all the same: a value that is compared with its own maximum, which it must equal bit by bit,
// and what is wanted after the first results are written, perhaps over what it is computed from.
//
// The sum of exp(x - m), where m is the maximum of x, is taken in the walk that finds m: a thread sums up exp(x - r) and
// scales the sum down where its maximum leaves r behind (Milakov and Gimelshein, "Online normalizer calculation for
// softmax", 2018, algorithm 3, where r is the maximum).
#pragma once

#include <concepts>

#include "../../kernels/tape_traits.hpp"
#include "../../ops/equal.hpp"
#include "../../ops/exp.hpp"
#include "../../ops/subtract.hpp"

namespace formwork::gpu::detail {

template <class Tape> struct streamed_tape;
template <class... I> struct streamed_tape<tape<I...>> {
  static constexpr int size = sizeof...(I);
  struct table {
    unsigned stages[sizeof...(I) + 1]{};  // of each element-level instruction and each reduction; bit s: runs in stage s
    bool keeps = false;
    int maximum[sizeof...(I) + 1]{};  // of a sum that is taken in the walk of a maximum: the slot of that one; else -1
  };

 private:
  enum class kind { other, equal, exp, subtract };
  template <class Op> static constexpr kind kind_of = std::same_as<Op, ops::equal> ? kind::equal : std::same_as<Op, ops::exp> ? kind::exp : std::same_as<Op, ops::subtract> ? kind::subtract : kind::other;
  struct entry { opcode what; unsigned evaluated; bool row; kind op; int inputs; int in[max_operands + 1]; };
  template <class N, int... J> static constexpr entry entry_of(std::integer_sequence<int, J...>) { return {N::what, N::evaluated, N::at == level::row, kind_of<typename N::op>, N::inputs, {operand_slot<N, J>()...}}; }

  // The maximum m of x, where slot k sums exp(x - m) in the walk that follows; else -1.
  static constexpr int maximum_of(entry const* all, int k) {
    if (all[k].what != opcode::reduce_sum) return -1;
    entry const& e = all[all[k].in[0]];
    if (e.row || e.what != opcode::map || e.op != kind::exp) return -1;
    entry const& difference = all[e.in[0]];
    if (difference.row || difference.what != opcode::map || difference.op != kind::subtract) return -1;
    const int x = difference.in[0], m = difference.in[1];
    return all[m].what == opcode::reduce_maximum && all[m].in[0] == x && all[k].evaluated == all[m].evaluated * 2 ? m : -1;
  }

  // `refused`: the stages that nothing may be taken out of.
  static constexpr table make(unsigned refused) {
    const entry all[sizeof...(I) + 1] = {entry_of<I>(std::make_integer_sequence<int, max_operands + 1>{})..., {}};
    unsigned written = 0;  // after the stages in which elements are first stored
    for (int k = 0; k < size; ++k)
      if ((all[k].what == opcode::store || all[k].what == opcode::place) && !all[k].row) written |= ~(all[k].evaluated * 2 - 1);
    table t;
    unsigned freed = 0;  // the stages whose sums are taken in the ones before
    t.maximum[size] = -1;
    for (int k = 0; k < size; ++k) {
      t.maximum[k] = (all[k].evaluated & refused) == 0 ? maximum_of(all, k) : -1;
      if (t.maximum[k] >= 0) freed |= all[k].evaluated;
    }
    unsigned wanted[sizeof...(I) + 1]{};  // by what is computed again
    int recall[sizeof...(I) + 1]{};
    for (int k = size - 1; k >= 0; --k) {  // what an instruction reads comes before it
      entry const& n = all[k];
      const int from = n.in[0];
      if (n.what == opcode::recall) {
        bool reduced = false, compared = false;
        for (int j = 0; j < size; ++j) {
          reduced = reduced || (is_maximum(all[j].what) && all[j].in[0] == from);
          compared = compared || (all[j].op == kind::equal && (all[j].in[0] == from || all[j].in[1] == from));
        }
        if (!(reduced && compared) && (wanted[from] & n.evaluated & written) == 0) continue;
        t.keeps = true;
        t.stages[k] = wanted[from] & n.evaluated;
        recall[from] = k;
      } else if (n.what == opcode::keep) {
        if (recall[from] > 0) t.stages[k] = n.evaluated;
      } else if (t.maximum[k] >= 0) {
        t.stages[k] = all[t.maximum[k]].evaluated;
      } else if (!n.row || is_row_reduction(n.what)) {
        const bool result = is_row_reduction(n.what) || is_column_reduction(n.what) || n.what == opcode::store || n.what == opcode::place;
        t.stages[k] = result || recall[k] > 0 ? n.evaluated : wanted[k];
        for (int j = 0; j < n.inputs; ++j) wanted[n.in[j]] |= t.stages[k];
      }
    }
    unsigned walked = 0;
    for (int k = 0; k < size; ++k) walked |= t.stages[k];
    return (walked & freed) != 0 ? make(refused | (walked & freed)) : t;  // those walks are taken in any case
  }

 public:
  static constexpr table value = make(0);
  // The slots that run in a stage.
  template <int Stage, class Numbers = std::make_integer_sequence<int, size>> struct slots;
  template <int Stage, int... K> struct slots<Stage, std::integer_sequence<int, K...>> { using type = slots_where<(value.stages[K] >> Stage & 1u) != 0 ...>; };
  // Those among them that are sums along the row; and of these, those that are taken beside a maximum.
  template <int Stage, class Numbers = std::make_integer_sequence<int, size>> struct sums;
  template <int Stage, int... K> struct sums<Stage, std::integer_sequence<int, K...>> {
    static constexpr bool here(int k) { return (value.stages[k] >> Stage & 1u) != 0; }
    using type = slots_where<(is_row_reduction(I::what) && here(K))...>;
    using beside = slots_where<(value.maximum[K] >= 0 && here(K))...>;
  };
  // Those that are taken beside the maximum at slot M.
  template <int M, class Numbers = std::make_integer_sequence<int, size>> struct sums_beside;
  template <int M, int... K> struct sums_beside<M, std::integer_sequence<int, K...>> { using type = slots_where<(value.maximum[K] == M)...>; };
};

}  // namespace formwork::gpu::detail
