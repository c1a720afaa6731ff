// Which loops must have run before a node, and which loops wait for it: what is computed outside loops cannot be fused
// across a loop that stands between.
#pragma once

#include <cstdint>
#include <vector>

#include "../program/graph.hpp"

namespace formwork {

struct loop_order {
  using set = std::uint64_t;  // of outermost loops

  std::vector<set> after;  // node -> needs what these loops leave
  std::vector<set> feeds;  // node -> these loops need it
  std::vector<set> only;   // scope -> the set of this loop alone; empty if it is no outermost loop

  constexpr explicit loop_order(graph const& g) : after(g.nodes.size(), 0), feeds(g.nodes.size(), 0), only(g.scopes.size(), 0) {
    int loops = 0;
    for (std::size_t s = 1; s < only.size(); ++s) {
      if (outermost_loop(g, static_cast<int>(s)) != static_cast<int>(s)) continue;
      if (loops == 64) throw "more than 64 loops stand beside each other: give equal blocks to one repeat";
      only[s] = set{1} << loops++;
    }
    if (loops == 0) return;
    std::vector<int> loop(g.nodes.size(), 0);
    for (std::size_t i = 0; i < loop.size(); ++i) loop[i] = outermost_loop(g, g.nodes[i].scope);
    std::vector<set> loop_after(g.scopes.size(), 0), loop_feeds(g.scopes.size(), 0);
    for (bool changed = true; changed;) {
      changed = false;
      for (int i = 0; i < g.size(); ++i)
        changed = step(g, loop, i, loop_after, loop_feeds) || changed;
      for (int i = g.size() - 1; i >= 0; --i)
        changed = step(g, loop, i, loop_after, loop_feeds) || changed;
    }
  }

  constexpr bool is_after(int node, int loop) const { return (after[static_cast<std::size_t>(node)] & only[static_cast<std::size_t>(loop)]) != 0; }

  static constexpr int outermost_loop(graph const& g, int scope) {
    int loop = 0;
    for (; scope != 0; scope = g.scopes[static_cast<std::size_t>(scope)].parent)
      if (g.scopes[static_cast<std::size_t>(scope)].what == scope_kind::loop) loop = scope;
    return loop;
  }

 private:
  constexpr bool step(graph const& g, std::vector<int> const& loop, int i, std::vector<set>& loop_after, std::vector<set>& loop_feeds) {
    node const& n = g[i];
    int mine = loop[static_cast<std::size_t>(i)];
    bool changed = false;
    for (int k = 0; k < n.inputs; ++k) {
      int x = n.in[static_cast<std::size_t>(k)];
      if (x < 0) continue;
      int theirs = loop[static_cast<std::size_t>(x)];
      if (mine != 0 && mine == theirs) continue;
      set& a = mine != 0 ? loop_after[static_cast<std::size_t>(mine)] : after[static_cast<std::size_t>(i)];
      set& b = theirs != 0 ? loop_feeds[static_cast<std::size_t>(theirs)] : feeds[static_cast<std::size_t>(x)];
      set more_a = a | (theirs != 0 ? loop_after[static_cast<std::size_t>(theirs)] | only[static_cast<std::size_t>(theirs)] : after[static_cast<std::size_t>(x)]);
      set more_b = b | (mine != 0 ? loop_feeds[static_cast<std::size_t>(mine)] | only[static_cast<std::size_t>(mine)] : feeds[static_cast<std::size_t>(i)]);
      changed = changed || more_a != a || more_b != b;
      a = more_a;
      b = more_b;
    }
    return changed;
  }
};

}  // namespace formwork
