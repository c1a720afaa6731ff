// The part of a product's tape that computes one of its operands: stage 2 for A, 3 for B, over rows and columns of its own.
#pragma once

#include "tape_traits.hpp"

namespace formwork {

template <class Tape, int Which> struct tape_prologue;
template <class... I, int Which> struct tape_prologue<tape<I...>, Which> {
  static constexpr int stage = Which + 2;

  // The instruction that ends it; -1: the operand lies in memory.
  static constexpr int find() {
    int n = 0, found = -1;
    ((found = I::what == opcode::operand && I::extent == Which ? n : found, ++n), ...);
    return found;
  }
  static constexpr int end = find();
  static constexpr bool is_there = end >= 0;

  template <class T, std::size_t N> static constexpr T at_end(T const (&x)[N]) { return end < 0 ? T{} : x[end]; }
  static constexpr int result = at_end({operand_slot<I, 0>()..., -1});  // the slot that holds the elements
  static constexpr long columns = at_end({I::inner..., 1l});            // of a row
};

// Where element (batch, outer, k) of an operand is computed, whose strides are those of rows of `Columns` elements.
template <class Strides, long Columns> struct prologue_rows {
  static constexpr bool along_k = Strides::extent(1) == 1;
  static constexpr long of_batch = Strides::extent(0) / Columns, across = (along_k ? Strides::stride(0) : Strides::extent(1)) / Columns;
  FORMWORK_FN static constexpr std::ptrdiff_t row(std::ptrdiff_t batch, std::ptrdiff_t outer, std::ptrdiff_t k) { return batch * of_batch + (along_k ? outer : k) * across; }
  FORMWORK_FN static constexpr std::ptrdiff_t column(std::ptrdiff_t outer, std::ptrdiff_t k) { return along_k ? k : outer; }
};

}  // namespace formwork
