// Which loops must have run before a node, and which loops wait for it: what is computed outside loops cannot be fused
// across a loop that stands between.
#pragma once

#include <vector>

#include "../program/graph.hpp"

namespace formwork {

struct loop_order {
  std::vector<unsigned> after;  // node -> bit s: needs what loop s leaves
  std::vector<unsigned> feeds;  // node -> bit s: loop s needs it

  constexpr explicit loop_order(graph const& g) : after(g.nodes.size(), 0), feeds(g.nodes.size(), 0) {
    std::vector<int> loop(g.nodes.size(), 0);
    bool any = false;
    for (std::size_t i = 0; i < loop.size(); ++i) any = (loop[i] = outermost_loop(g, g.nodes[i].scope)) != 0 || any;
    if (!any) return;
    std::vector<unsigned> loop_after(g.scopes.size(), 0), loop_feeds(g.scopes.size(), 0);
    for (bool changed = true; changed;) {
      changed = false;
      for (int i = 0; i < g.size(); ++i)
        changed = step(g, loop, i, after, loop_after, feeds, loop_feeds) || changed;
      for (int i = g.size() - 1; i >= 0; --i)
        changed = step(g, loop, i, after, loop_after, feeds, loop_feeds) || changed;
    }
  }

  static constexpr int outermost_loop(graph const& g, int scope) {
    int loop = 0;
    for (; scope != 0; scope = g.scopes[static_cast<std::size_t>(scope)].parent)
      if (g.scopes[static_cast<std::size_t>(scope)].what == scope_kind::loop) loop = scope;
    return loop;
  }

 private:
  static constexpr bool step(graph const& g, std::vector<int> const& loop, int i, std::vector<unsigned>& after, std::vector<unsigned>& loop_after,
                             std::vector<unsigned>& feeds, std::vector<unsigned>& loop_feeds) {
    node const& n = g[i];
    int mine = loop[static_cast<std::size_t>(i)];
    bool changed = false;
    for (int k = 0; k < n.inputs; ++k) {
      int x = n.in[static_cast<std::size_t>(k)];
      if (x < 0) continue;
      int theirs = loop[static_cast<std::size_t>(x)];
      if (mine != 0 && mine == theirs) continue;
      unsigned& a = mine != 0 ? loop_after[static_cast<std::size_t>(mine)] : after[static_cast<std::size_t>(i)];
      unsigned& b = theirs != 0 ? loop_feeds[static_cast<std::size_t>(theirs)] : feeds[static_cast<std::size_t>(x)];
      unsigned more_a = a | (theirs != 0 ? loop_after[static_cast<std::size_t>(theirs)] | 1u << theirs : after[static_cast<std::size_t>(x)]);
      unsigned more_b = b | (mine != 0 ? loop_feeds[static_cast<std::size_t>(mine)] | 1u << mine : feeds[static_cast<std::size_t>(i)]);
      changed = changed || more_a != a || more_b != b;
      a = more_a;
      b = more_b;
    }
    return changed;
  }
};

}  // namespace formwork
