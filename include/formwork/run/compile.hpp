// compile: from a traced program to kernels, in one constant expression. Each stage is a public function of its own.
#pragma once

#include "../kernels/tape.hpp"
#include "../passes/budget.hpp"
#include "../passes/differentiate.hpp"
#include "../passes/simplify.hpp"

namespace formwork {

constexpr program_buffer compile(graph const& g, rematerialize_choices const& choices = {}) {
  fusion f = fuse(canonicalize(rematerialize(g, choices)));
  memory_plan m = plan_memory(f);
  return freeze(f, m, lower(f, m));
}

namespace detail {
template <class Source, class Program> constexpr rematerialize_choices choices_of() {
  if constexpr (requires { Source::workspace_budget; }) return search_choices_in_steps<Program, Source::workspace_budget>();
  else return {};
}
}  // namespace detail

// Source::make() is a constexpr function that gives the graph. A member Source::workspace_budget, in bytes, asks for a
// workspace of at most that much: values are computed again rather than kept (passes/budget.hpp). `value` is the
// program as exact constexpr data.
template <class Source> struct compiled {
  static constexpr graph_buffer traced = freeze(Source::make());
  static constexpr rematerialize_choices choices = detail::choices_of<Source, compiled>();
  static constexpr program_buffer buffer = compile(thaw(traced), choices);
  static constexpr auto value = cut<buffer.kernel_count, buffer.instruction_count, buffer.argument_count>(buffer);
  static constexpr int kernels = buffer.kernel_count;
};

}  // namespace formwork
