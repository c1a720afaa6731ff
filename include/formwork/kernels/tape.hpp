// The types of kernels: everything a backend specialises on, and nothing that differs between equal kernels.
// Template arguments are types and integers only (nvcc 13.0 rejects class values in a kernel's arguments).
#pragma once

#include <bit>
#include <cstdint>
#include <utility>

#include "../shape/shape.hpp"
#include "frozen.hpp"

namespace formwork {

struct no_op {};

// One instruction of a tape; its slot is its position.
template <opcode What, class Op, dtype Type, level At, int Stage, unsigned Evaluated, int Argument, std::int64_t NumberBits, long Inner,
          long Extent, int... In>
struct tape_instruction {
  static constexpr opcode what = What;
  using op = Op;
  static constexpr dtype type = Type;
  static constexpr level at = At;
  static constexpr int stage = Stage;
  static constexpr unsigned evaluated = Evaluated;
  static constexpr int argument = Argument;
  static constexpr double number = std::bit_cast<double>(NumberBits);
  static constexpr long inner = Inner, extent = Extent;
  static constexpr int inputs = sizeof...(In);
  template <int K> static constexpr int in() {
    constexpr int slots[] = {In..., -1};
    return slots[K];
  }
};

// An address: extents and strides of its axes, outermost first.
template <long... ExtentStride> struct tape_address {
  static constexpr int rank = sizeof...(ExtentStride) / 2;
  static constexpr long extent(int i) {
    constexpr long v[] = {ExtentStride..., 0};
    return v[2 * i];
  }
  static constexpr long stride(int i) {
    constexpr long v[] = {ExtentStride..., 0};
    return v[2 * i + 1];
  }
  // The offset of a row-major number over all axes.
  FORMWORK_FN static constexpr long offset(long number) {
    if constexpr (rank == 0) return 0;
    else return offset_up_to<rank - 1>(number);
  }

 private:
  template <int I> FORMWORK_FN static constexpr long offset_up_to(long number) {
    constexpr long e = extent(I), s = stride(I);
    if constexpr (I == 0) return number * s;
    else return number % e * s + offset_up_to<I - 1>(number / e);
  }
};

// Alignment, in bytes up to 16: of its first element in every iteration of its loop. First: where that of a generator lies
// among all that it makes.
template <dtype Type, bool Write, int Alignment, long First, class Row, class Column> struct tape_argument {
  static constexpr dtype type = Type;
  static constexpr bool write = Write;
  static constexpr int alignment = Alignment;
  static constexpr long first = First;
  using row = Row;
  using column = Column;
};

template <class... Instruction> struct tape {
  static constexpr int size = sizeof...(Instruction);
};
template <class... Argument> struct tape_arguments {
  static constexpr int size = sizeof...(Argument);
};

// The kernel types, one per skeleton. arguments: how many pointers a launch is given.
template <long Rows, long Columns, int Stages, bool RowReductions, bool ColumnReductions, int Kept, dtype Type, class Arguments, class Tape>
struct rows_kernel { static constexpr int arguments = Arguments::size; };
// Strides of a product's operand: <batch, outer, inner, panel>, as matrix_strides.
template <long Batch, long M, long N, long K, dtype Type, class AStrides, class BStrides, class Arguments, class Tape>
struct contract_kernel { static constexpr int arguments = Arguments::size; };
template <class Query, class Key, int Score, int Mask, dtype Type, class Arguments, class Tape>
struct attend_kernel { static constexpr int arguments = Arguments::size; };
template <class Query, class Key, int Score, int Derivative, int Mask, dtype Type, class Arguments, class Tape>
struct attend_backward_kernel { static constexpr int arguments = Arguments::size; };
template <long TableRows, long Rows, long Columns, int Start, dtype Type, dtype UpdateType, dtype IndexType>
struct scatter_kernel { static constexpr int arguments = 4; };

namespace detail {

// One kernel's own part of a program, small enough for templates to index.
template <class Program, int K> struct kernel_part {
  static constexpr frozen_kernel kernel = Program::value.kernels[K];
  static constexpr auto cut_tape() {
    std::array<instruction, static_cast<std::size_t>(kernel.instructions > 0 ? kernel.instructions : 1)> a{};
    for (int i = 0; i < kernel.instructions; ++i) a[static_cast<std::size_t>(i)] = Program::value.tape[static_cast<std::size_t>(kernel.first_instruction + i)];
    return a;
  }
  static constexpr auto cut_arguments() {
    std::array<frozen_argument, static_cast<std::size_t>(kernel.arguments > 0 ? kernel.arguments : 1)> a{};
    for (int i = 0; i < kernel.arguments; ++i) a[static_cast<std::size_t>(i)] = Program::value.arguments[static_cast<std::size_t>(kernel.first_argument + i)];
    return a;
  }
  static constexpr auto instructions = cut_tape();
  static constexpr auto arguments = cut_arguments();
};

template <const op_info* Info> struct op_of_info { using type = op_type_of<Info>; };
template <> struct op_of_info<nullptr> { using type = no_op; };

template <class Part, int I, class> struct instruction_at;
template <class Part, int I, std::size_t... J> struct instruction_at<Part, I, std::index_sequence<J...>> {
  static constexpr instruction i = Part::instructions[I];
  using type = tape_instruction<i.what, typename op_of_info<i.op>::type, i.type, i.at, i.stage, i.evaluated, i.argument,
                                std::bit_cast<std::int64_t>(i.number), i.inner, i.extent, i.in[J]...>;
};
template <class Part, int I> constexpr int inputs_of() {
  int n = 0;
  while (n <= max_operands && Part::instructions[I].in[n] >= 0) ++n;
  return n;
}

template <class Part, int A, bool Column, class> struct address_at;
template <class Part, int A, bool Column, std::size_t... I> struct address_at<Part, A, Column, std::index_sequence<I...>> {
  static constexpr address a = Column ? Part::arguments[A].column : Part::arguments[A].row;
  using type = tape_address<(I % 2 == 0 ? a.extent[I / 2] : a.stride[I / 2])...>;
};
template <class Part, int A, bool Column>
using address_of = typename address_at<Part, A, Column, std::make_index_sequence<2 * static_cast<std::size_t>(Column ? Part::arguments[A].column.rank : Part::arguments[A].row.rank)>>::type;

template <class Part, class I, class A> struct kernel_types;
template <class Part, std::size_t... I, std::size_t... A> struct kernel_types<Part, std::index_sequence<I...>, std::index_sequence<A...>> {
  using tape_type = tape<typename instruction_at<Part, I, std::make_index_sequence<static_cast<std::size_t>(inputs_of<Part, I>())>>::type...>;
  using arguments_type =
      tape_arguments<tape_argument<Part::arguments[A].type, Part::arguments[A].write, Part::arguments[A].alignment, Part::arguments[A].first,
                                   address_of<Part, A, false>, address_of<Part, A, true>>...>;
};

template <class Program, int K> constexpr auto make_kernel() {
  using part = kernel_part<Program, K>;
  constexpr frozen_kernel k = part::kernel;
  using types = kernel_types<part, std::make_index_sequence<static_cast<std::size_t>(k.instructions)>, std::make_index_sequence<static_cast<std::size_t>(k.arguments)>>;
  using arguments = typename types::arguments_type;
  using tape_t = typename types::tape_type;
  if constexpr (k.what == skeleton::rows)
    return rows_kernel<k.rows, k.columns, k.stages, k.row_reductions, k.column_reductions, k.kept, k.type, arguments, tape_t>{};
  else if constexpr (k.what == skeleton::contract)
    return contract_kernel<k.batch, k.rows, k.columns, k.depth, k.type, tape_address<k.matrix[0].batch, k.matrix[0].outer, k.matrix[0].inner, k.matrix[0].panel>,
                           tape_address<k.matrix[1].batch, k.matrix[1].outer, k.matrix[1].inner, k.matrix[1].panel>, arguments, tape_t>{};
  else if constexpr (k.what == skeleton::attend)
    return attend_kernel<shape<k.shape[0].size[0], k.shape[0].size[1], k.shape[0].size[2], k.shape[0].size[3]>,
                         shape<k.shape[1].size[0], k.shape[1].size[1], k.shape[1].size[2], k.shape[1].size[3]>, k.results[0], k.results[2], k.type, arguments, tape_t>{};
  else if constexpr (k.what == skeleton::attend_backward)
    return attend_backward_kernel<shape<k.shape[0].size[0], k.shape[0].size[1], k.shape[0].size[2], k.shape[0].size[3]>,
                                  shape<k.shape[1].size[0], k.shape[1].size[1], k.shape[1].size[2], k.shape[1].size[3]>, k.results[0], k.results[1], k.results[2], k.type, arguments, tape_t>{};
  else
    return scatter_kernel<k.table_rows, k.rows, k.columns, k.stages, k.type, part::arguments[2].type, part::arguments[1].type>{};
}

}  // namespace detail

// The type of kernel K of a program. Equal groups anywhere in a model are the same type.
template <class Program, int K> using kernel_type = decltype(detail::make_kernel<Program, K>());

}  // namespace formwork
