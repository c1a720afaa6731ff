// compile: from a traced program to kernels, in one constant expression. Each stage is a public function of its own.
#pragma once

#include "../kernels/tape.hpp"
#include "../passes/canonicalize.hpp"
#include "../passes/differentiate.hpp"
#include "../passes/fuse.hpp"
#include "../passes/rematerialize.hpp"
#include "../passes/simplify.hpp"
#include "../program/frozen_graph.hpp"

namespace formwork {

constexpr program_buffer compile(graph const& g) {
  fusion f = fuse(canonicalize(rematerialize(g)));
  memory_plan m = plan_memory(f);
  return freeze(f, m, lower(f, m));
}

// Source::make() is a constexpr function that gives the graph. `value` is the program as exact constexpr data.
template <class Source> struct compiled {
  static constexpr graph_buffer traced = freeze(Source::make());
  static constexpr program_buffer buffer = compile(thaw(traced));
  static constexpr auto value = cut<buffer.kernel_count, buffer.instruction_count, buffer.argument_count>(buffer);
  static constexpr int kernels = buffer.kernel_count;
};

}  // namespace formwork
