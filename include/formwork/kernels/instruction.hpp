// A kernel as data, before it becomes a type: arguments, and a tape of instructions over numbered slots.
#pragma once

#include <vector>

#include "../passes/matrix_access.hpp"
#include "../passes/stages.hpp"
#include "../passes/storage.hpp"

namespace formwork {

enum class opcode : std::uint8_t {
  constant,        // number
  load,            // argument at the domain's coordinate
  gather,          // row slot in[0] of argument, at the column
  index,           // coordinate: (offset of the address / inner) % extent
  random,          // uniform, numbered by the offset of the address; inside a score: at (batch, head, query, key)
  map,             // op(in...)
  cast,            // in[0] as `type`
  reduce_sum,      // of element slot in[0], along the row: a row slot
  reduce_maximum,
  column_sum,      // of element slot in[0], down the columns: an argument
  column_maximum,
  keep,            // element slot in[0] to the row's scratch
  recall,          // and back, in later stages
  store,           // slot in[0] to argument
  place,           // slot in[0] to the row of argument that row slot in[1] names, if there is one
  accumulator,     // a product's finished sum, the n-th that of arguments 0 and n; the first of two may wait in `argument`
  operand,         // slot in[0] is the element of a product's operand `extent`, read in rows of `inner` elements
  lookup,          // argument at the slots in[...], inside a score
  score,           // q k
  score_gradient,  // dz
  lookup_gradient, // adds slot in[0] at the slots in[1...]
  weigh,           // slot in[0] is the factor of a pair's probability
};

struct instruction {
  opcode what{};
  dtype type = dtype::f32;
  level at = level::element;
  int stage = 0;            // row level: known before this stage's walk along the row
  unsigned evaluated = 1;   // element level: the stages in which it runs
  const op_info* op = nullptr;
  int in[max_operands + 1]{-1, -1, -1, -1, -1};
  int argument = -1;
  double number = 0;
  long inner = 1, extent = 1;  // of an index
};

// An operand or result in memory: where its first element lies, and its address as a sum over rows and columns.
struct argument {
  dtype type = dtype::f32;
  bool write = false;
  bool gathered = false;  // rows of a table, named by an index
  address row, column;
  place from;            // what the address is relative to
  long offset = 0;       // elements
  int node = -1;
};

// What a kernel is, apart from its tape and its arguments.
struct kernel_shape {
  skeleton what{};
  int scope = 0;
  dtype type = dtype::f32;      // accumulation
  long rows = 1, columns = 1;   // of the domain; a product's M and N
  long batch = 1, depth = 1;    // a product's batch and K
  int stages = 1;
  bool row_reductions = false, column_reductions = false;
  int kept = 0;                 // scratch rows
  matrix_strides matrix[2];     // a product's A and B
  dims shape[2];                // attention: of queries and keys (B, T, H, D)
  int results[3]{-1, -1, -1};   // attention: the slots of score, score's adjoint and mask
  long table_rows = 0;          // scatter
};

struct kernel_data : kernel_shape {
  std::vector<instruction> tape;
  std::vector<argument> arguments;
  int group = -1;
};

}  // namespace formwork
