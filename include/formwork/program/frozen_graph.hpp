// A graph as one constexpr object: evaluated once, and the start of a further constant expression, so that neither
// comes near the compilers' limit on operations in one expression.
#pragma once

#include "graph.hpp"

namespace formwork {

template <int Nodes, int Parameters, int Inputs, int Outputs, int Scopes> struct frozen_graph {
  std::array<node, Nodes> nodes{};
  std::array<parameter_info, Parameters> parameters{};
  std::array<input_info, Inputs> inputs{};
  std::array<output_info, Outputs> outputs{};
  std::array<scope_info, Scopes> scopes{};
  int node_count = 0, parameter_count = 0, input_count = 0, output_count = 0, scope_count = 0, streams = 0;
};

using graph_buffer = frozen_graph<1024, 128, 32, 160, 24>;

namespace detail {
template <class From, class To> constexpr int copy_all(From const& from, To& to) {
  if (from.size() > to.size()) throw "a traced program may have at most 1024 nodes, 128 parameters, 32 inputs and 160 outputs: put repeated blocks into repeat<>";
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = from[i];
  return static_cast<int>(from.size());
}
}  // namespace detail

constexpr graph_buffer freeze(graph const& g) {
  graph_buffer b;
  b.node_count = detail::copy_all(g.nodes, b.nodes);
  b.parameter_count = detail::copy_all(g.parameters, b.parameters);
  b.input_count = detail::copy_all(g.inputs, b.inputs);
  b.output_count = detail::copy_all(g.outputs, b.outputs);
  b.scope_count = detail::copy_all(g.scopes, b.scopes);
  b.streams = g.streams;
  return b;
}

template <int N, int P, int I, int O, int S> constexpr graph thaw(frozen_graph<N, P, I, O, S> const& b) {
  graph g;
  g.nodes.assign(b.nodes.begin(), b.nodes.begin() + b.node_count);
  g.parameters.assign(b.parameters.begin(), b.parameters.begin() + b.parameter_count);
  g.inputs.assign(b.inputs.begin(), b.inputs.begin() + b.input_count);
  g.outputs.assign(b.outputs.begin(), b.outputs.begin() + b.output_count);
  g.scopes.assign(b.scopes.begin(), b.scopes.begin() + b.scope_count);
  g.streams = b.streams;
  return g;
}

}  // namespace formwork
