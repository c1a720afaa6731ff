// compile: from a traced program to kernels, in one constant expression. Each stage is a public function of its own.
#pragma once

#include "../kernels/tape.hpp"
#include "../passes/budget.hpp"
#include "../passes/differentiate.hpp"
#include "../passes/simplify.hpp"
#include "../trace/errors.hpp"

namespace formwork {

namespace error {
template <long Bytes> struct bytes;
template <long Bytes> struct smallest;  // bytes that are enough
template <class Source> struct repeat_stands_inside_a_repeat;
template <class Source, class Budget, class Smallest> struct workspace_budget_is_too_small;
}  // namespace error

constexpr program_buffer compile(graph const& g, rematerialize_choices const& choices = {}, fuse_options fusing = {}) {
  fusion f = fuse(canonicalize(rematerialize(g, choices)), fusing);
  memory_plan m = plan_memory(f);
  return freeze(f, m, lower(f, m));
}

namespace detail {

// Bytes; below 0: no budget.
template <class Source> constexpr long budget_of() {
  if constexpr (requires { Source::workspace_budget; }) return Source::workspace_budget;
  else return -1;
}

template <class Source> constexpr fuse_options fusing_of() {
  fuse_options o;
  if constexpr (requires { Source::prologues; }) o.prologues = Source::prologues;
  if constexpr (requires { Source::sums; }) o.sums = Source::sums;
  return o;
}

template <class Source, class Program> constexpr rematerialize_choices choices_of() {
  if constexpr (budget_of<Source>() >= 0) {
    constexpr long budget = budget_of<Source>();
    constexpr rematerialize_choices found = search_choices_in_steps<Program, budget>();
    static_assert(require<found.workspace_bytes <= budget,
                          error::workspace_budget_is_too_small<Source, error::bytes<budget>, error::smallest<found.workspace_bytes>>>);
    return found;
  } else {
    return {};
  }
}

// Steps run loops, not loops in loops.
constexpr bool nests_loops(graph_buffer const& g) {
  auto scope = [&](int s) { return g.scopes[static_cast<std::size_t>(s)]; };
  for (int s = 1; s < g.scope_count; ++s)
    for (int p = scope(s).parent; scope(s).what == scope_kind::loop && p != 0; p = scope(p).parent)
      if (scope(p).what == scope_kind::loop) return true;
  return false;
}

}  // namespace detail

// Source::make() is a constexpr function that gives the graph. A member Source::workspace_budget, in bytes, asks for a
// workspace of at most that much (below 0 for nothing): values are computed again rather than kept (passes/budget.hpp). A member
// Source::prologues = true lets products compute their operands (passes/prologue.hpp), Source::sums = true sum their
// results down the columns and along the rows. `value` is the program as exact constexpr data.
template <class Source> struct compiled {
  static constexpr graph_buffer traced = freeze(Source::make());
  static_assert(require<!detail::nests_loops(traced), error::repeat_stands_inside_a_repeat<Source>>);
  static constexpr fuse_options fusing = detail::fusing_of<Source>();
  static constexpr rematerialize_choices choices = detail::choices_of<Source, compiled>();
  static constexpr program_buffer buffer = compile(thaw(traced), choices, fusing);
  static constexpr auto value = cut<buffer.kernel_count, buffer.instruction_count, buffer.argument_count>(buffer);
  static constexpr int kernels = buffer.kernel_count;
};

}  // namespace formwork
