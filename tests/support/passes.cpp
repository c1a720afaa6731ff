#include "passes.hpp"

namespace formwork::testing {

graph simplify_now(graph const& g, stop_gradients stops) { return simplify(g, stops); }
graph differentiate_now(graph const& g, differentiate_options o) { return differentiate(g, o); }

}  // namespace formwork::testing
