// Who reads a node. Reshapes keep order and number of elements, so their readers count as readers of what is behind.
#pragma once

#include "../ops/equal.hpp"
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

// Compared with its own maximum, as in the maximum's gradient: computed twice it could round differently in the two
// places, and equal nothing. Such a value is computed once.
constexpr bool meets_its_maximum(graph const& g, use_table const& uses, int x) {
  bool reduced = false, compared = false;
  for (auto u : uses[x]) {
    if (u.user < 0) continue;
    reduced = reduced || g[u.user].what == kind::maximum;
    compared = compared || (g[u.user].what == kind::map && g[u.user].op == op_of<ops::equal>());
  }
  return reduced && compared;
}

// The one elementwise node that reads v, if v has no other reader; else -1. In-loop chains only.
constexpr int only_elementwise_user(graph const& g, use_table const& uses, int v) {
  if (uses[v].size() != 1) return -1;
  int u = uses[v][0].user;
  if (u < 0 || !is_elementwise(g[u].what) || g[u].scope != g[v].scope) return -1;
  return g[u].shape.elements() == g[v].shape.elements() ? u : -1;
}

}  // namespace formwork
