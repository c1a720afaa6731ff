// The rules every program keeps, whatever pass made it: order, scopes, shapes and element types of every node.
//   problem_of(g)             the first broken rule as a sentence with the node's number; empty where there is none
//   require_good_program(g)   throws it
#pragma once

#include <string>
#include <vector>

#include "formwork/program/graph.hpp"

namespace formwork::testing {

// Iterations of the loops around a scope, outermost first, and their product.
std::vector<long> loop_counts(graph const& g, int scope);
long iterations(graph const& g, int scope);

std::string problem_of(graph const& g);
void require_good_program(graph const& g);

}  // namespace formwork::testing
