// The passes, for the programs of tests: while the program compiles those of the library; while it runs the same, compiled
// once for all tests, because each takes seconds.
#pragma once

#include <type_traits>

#include "formwork/passes/differentiate.hpp"
#include "formwork/passes/simplify.hpp"

namespace formwork::testing {

graph simplify_now(graph const& g, stop_gradients stops);
graph differentiate_now(graph const& g, differentiate_options o);

constexpr graph simplified(graph const& g, stop_gradients stops = stop_gradients::remove) {
  if (std::is_constant_evaluated()) return simplify(g, stops);
  else return simplify_now(g, stops);
}
constexpr graph differentiated(graph const& g, differentiate_options o = {}) {
  if (std::is_constant_evaluated()) return differentiate(g, o);
  else return differentiate_now(g, o);
}

}  // namespace formwork::testing
