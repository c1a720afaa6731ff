// describe(kernels), describe(memory_plan): the tapes and the memory as text.
#pragma once

#include "../passes/describe_fusion.hpp"
#include "lower_attend.hpp"

namespace formwork {

constexpr std::string_view name_of(opcode o) {
  constexpr std::string_view names[] = {"constant", "load", "gather", "index", "random", "map", "cast", "reduce_sum", "reduce_maximum",
                                        "column_sum", "column_maximum", "keep", "recall", "store", "place", "accumulator", "operand", "lookup", "score",
                                        "score_gradient", "lookup_gradient", "weigh"};
  return names[static_cast<int>(o)];
}

inline std::string describe(kernel_data const& k) {
  std::ostringstream s;
  s << name_of(k.what) << ' ' << k.batch << " x " << k.rows << " x " << k.columns;
  if (k.what == skeleton::contract) s << ", depth " << k.depth;
  if (k.stages > 1) s << ", " << k.stages << " stages";
  s << '\n';
  for (std::size_t i = 0; i < k.arguments.size(); ++i) {
    argument const& a = k.arguments[i];
    s << "  " << (a.write ? "out " : "in ") << i << ": %" << a.node << ' ' << name_of(a.type) << " region " << static_cast<int>(a.from.where) << '/' << a.from.number << " at " << a.from.offset
      << " + " << a.offset << (a.from.moves == motion::stacked ? " stacked" : a.from.moves == motion::alternating ? " alternating" : "") << " row";
    for (int j = 0; j < a.row.rank; ++j) s << ' ' << a.row.extent[j] << ':' << a.row.stride[j];
    s << " column";
    for (int j = 0; j < a.column.rank; ++j) s << ' ' << a.column.extent[j] << ':' << a.column.stride[j];
    s << '\n';
  }
  for (std::size_t i = 0; i < k.tape.size(); ++i) {
    instruction const& t = k.tape[i];
    s << "  " << (t.at == level::row ? "row " : "    ") << '$' << i << " = " << (t.op ? std::string_view(t.op->name) : name_of(t.what));
    for (int x : t.in)
      if (x >= 0) s << " $" << x;
    if (t.argument >= 0) s << " @" << t.argument;
    if (t.what == opcode::constant) s << ' ' << t.number;
    if (t.at == level::row) s << "  stage " << t.stage;
    else if (k.stages > 1) s << "  stages " << t.evaluated;
    s << '\n';
  }
  return s.str();
}

inline std::string describe(memory_plan const& m) {
  std::ostringstream s;
  s << "parameters " << m.parameter_elements << " elements, workspace " << m.workspace_bytes << " bytes\n";
  for (auto const& b : m.buffers) s << "  %" << b.node << ": " << b.bytes << " bytes at " << b.offset << ", in use from " << b.begin << " to " << b.end << '\n';
  return s.str();
}

}  // namespace formwork
