// Who reads a node. Reshapes keep order and number of elements, so their readers count as readers of what is behind.
#pragma once

#include "access.hpp"
#include "rewrite.hpp"

namespace formwork {

struct use_table {
  struct use { int user; int operand; };
  std::vector<std::vector<use>> of;

  constexpr explicit use_table(graph const& g) : of(g.nodes.size()) {
    std::vector<char> live = live_nodes(g);
    for (int i = 0; i < g.size(); ++i) {
      if (!live[static_cast<std::size_t>(i)] || is_reshape(g, i)) continue;
      for (int k = 0; k < g[i].inputs; ++k) {
        int x = g[i].in[static_cast<std::size_t>(k)];
        if (x >= 0) of[static_cast<std::size_t>(behind_reshapes(g, x))].push_back({i, k});
      }
    }
    for (auto const& o : g.outputs) of[static_cast<std::size_t>(behind_reshapes(g, o.node))].push_back({-1, 0});
  }
  constexpr std::vector<use> const& operator[](int id) const { return of[static_cast<std::size_t>(id)]; }
};

// The one elementwise node that reads v, if v has no other reader; else -1. In-loop chains only.
constexpr int only_elementwise_user(graph const& g, use_table const& uses, int v) {
  if (uses[v].size() != 1) return -1;
  int u = uses[v][0].user;
  if (u < 0 || !is_elementwise(g[u].what) || g[u].scope != g[v].scope) return -1;
  return g[u].shape.elements() == g[v].shape.elements() ? u : -1;
}

}  // namespace formwork
