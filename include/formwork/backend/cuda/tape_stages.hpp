// Which instructions run in which walk along a row that is too long for registers. A tape keeps what is expensive to compute
// from one walk to the next, as a CPU wants it; a GPU computes it again, because its arithmetic is cheaper than eight bytes
// to and from memory. What is kept all the same: a value that is compared with its own maximum, which it must equal bit by bit,
// and what is wanted after the first results are written, perhaps over what it is computed from.
#pragma once

#include <concepts>

#include "../../kernels/tape_traits.hpp"
#include "../../ops/equal.hpp"

namespace formwork::gpu::detail {

template <class Tape> struct streamed_tape;
template <class... I> struct streamed_tape<tape<I...>> {
  static constexpr int size = sizeof...(I);
  struct table {
    unsigned stages[sizeof...(I) + 1]{};  // of each element-level instruction and each reduction; bit s: runs in stage s
    bool keeps = false;
  };

 private:
  struct entry { opcode what; unsigned evaluated; bool row, equal; int inputs; int in[max_operands + 1]; };
  template <class N, int... J> static constexpr entry entry_of(std::integer_sequence<int, J...>) { return {N::what, N::evaluated, N::at == level::row, std::same_as<typename N::op, ops::equal>, N::inputs, {operand_slot<N, J>()...}}; }

  static constexpr table make() {
    const entry all[sizeof...(I) + 1] = {entry_of<I>(std::make_integer_sequence<int, max_operands + 1>{})..., {}};
    unsigned written = 0;  // after the stages in which elements are first stored
    for (int k = 0; k < size; ++k)
      if ((all[k].what == opcode::store || all[k].what == opcode::place) && !all[k].row) written |= ~(all[k].evaluated * 2 - 1);
    table t;
    unsigned wanted[sizeof...(I) + 1]{};  // by what is computed again
    int recall[sizeof...(I) + 1]{};
    for (int k = size - 1; k >= 0; --k) {  // what an instruction reads comes before it
      entry const& n = all[k];
      const int from = n.in[0];
      if (n.what == opcode::recall) {
        bool reduced = false, compared = false;
        for (int j = 0; j < size; ++j) {
          reduced = reduced || (is_maximum(all[j].what) && all[j].in[0] == from);
          compared = compared || (all[j].equal && (all[j].in[0] == from || all[j].in[1] == from));
        }
        if (!(reduced && compared) && (wanted[from] & n.evaluated & written) == 0) continue;
        t.keeps = true;
        t.stages[k] = wanted[from] & n.evaluated;
        recall[from] = k;
      } else if (n.what == opcode::keep) {
        if (recall[from] > 0) t.stages[k] = n.evaluated;
      } else if (!n.row || is_row_reduction(n.what)) {
        t.stages[k] = n.evaluated | (recall[k] > 0 ? 0 : wanted[k]);
        for (int j = 0; j < n.inputs; ++j) wanted[n.in[j]] |= t.stages[k];
      }
    }
    return t;
  }

 public:
  static constexpr table value = make();
  // The slots that run in a stage.
  template <int Stage, class Numbers = std::make_integer_sequence<int, size>> struct slots;
  template <int Stage, int... K> struct slots<Stage, std::integer_sequence<int, K...>> { using type = slots_where<(value.stages[K] >> Stage & 1u) != 0 ...>; };
};

}  // namespace formwork::gpu::detail
