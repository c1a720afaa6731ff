// rewrite: copies a program node by node into a new one. What every pass that rebuilds a program shares: which
// nodes live, the map from old numbers to new ones, loop variables and the tables.
#pragma once

#include <vector>

#include "../program/build.hpp"
#include "../trace/derivative.hpp"  // op data must be complete before its first use in a constant expression

namespace formwork {

// Which nodes an output, a parameter or an input needs. Operands stand before their readers, but for a loop's next
// value and a late result: sweeps from the end until nothing changes.
constexpr std::vector<char> live_nodes(graph const& g) {
  std::vector<char> live(g.nodes.size(), 0);
  for (auto const& o : g.outputs) live[static_cast<std::size_t>(o.node)] = 1;
  for (auto const& p : g.parameters) live[static_cast<std::size_t>(p.node)] = 1;
  for (auto const& i : g.inputs) live[static_cast<std::size_t>(i.node)] = 1;
  for (bool again = true; again;) {
    again = false;
    for (int i = g.size() - 1; i >= 0; --i) {
      if (live[static_cast<std::size_t>(i)] != 1) continue;
      live[static_cast<std::size_t>(i)] = 2;  // its operands are marked
      node const& n = g.nodes[static_cast<std::size_t>(i)];
      for (int k = 0; k < n.inputs; ++k) {
        int x = n.in[static_cast<std::size_t>(k)];
        if (x < 0 || live[static_cast<std::size_t>(x)] != 0) continue;
        live[static_cast<std::size_t>(x)] = 1;
        if (x > i) again = true;
      }
    }
  }
  return live;
}

struct rewrite {
  graph const& from;
  graph to;
  std::vector<int> number;  // old node -> new node, -1 while not copied
  std::vector<char> live;

  constexpr explicit rewrite(graph const& g) : from(g), number(g.nodes.size(), -1), live(live_nodes(g)) {
    to.scopes = g.scopes;
    to.parameters = g.parameters;
    to.inputs = g.inputs;
    to.streams = g.streams;
  }

  // The node with its operands in the new program.
  constexpr node translated(int id) const {
    node n = from[id];
    for (int k = 0; k < n.inputs; ++k) {
      int& x = n.in[static_cast<std::size_t>(k)];
      if (x >= 0) x = number[static_cast<std::size_t>(x)];
    }
    return n;
  }

  // Copies every live node; `rule(translated node, old number)` gives the new one. Then loop variables and outputs follow.
  template <class Rule> constexpr graph run(Rule rule) {
    for (int i = 0; i < from.size(); ++i)
      if (live[static_cast<std::size_t>(i)]) {
        to.scope = from[i].scope;
        number[static_cast<std::size_t>(i)] = rule(translated(i), i);
      }
    return finish();
  }

  constexpr graph finish() {
    for (int i = 0; i < from.size(); ++i)
      if (live[static_cast<std::size_t>(i)] && from[i].what == kind::carry)
        to[number[static_cast<std::size_t>(i)]].in[1] = number[static_cast<std::size_t>(from[i].in[1])];
    for (auto p = to.parameters.begin(); p != to.parameters.end(); ++p) p->node = number[static_cast<std::size_t>(p->node)];
    for (auto p = to.inputs.begin(); p != to.inputs.end(); ++p) p->node = number[static_cast<std::size_t>(p->node)];
    for (auto o : from.outputs) {
      o.node = number[static_cast<std::size_t>(o.node)];
      to.outputs.push_back(o);
    }
    to.scope = 0;
    return to;
  }
};

// Nodes that must keep their own scope and are never shared: their meaning is tied to where they stand.
constexpr bool is_pinned(kind k) {
  return k == kind::input || k == kind::parameter || k == kind::random || k == kind::carry || k == kind::final ||
         k == kind::score || k == kind::score_gradient || k == kind::attend || k == kind::attend_backward ||
         k == kind::lookup_gradient || is_loop_view(k);
}

// The program without the nodes that nothing needs; the others keep their order.
constexpr graph without_dead_nodes(graph const& g) {
  rewrite r(g);
  bool all = true;
  for (char l : r.live) all = all && l;
  if (all) return g;
  return r.run([&](node n, int) {
    if (!is_pinned(n.what)) return r.to.push_unique(n);
    r.to.nodes.push_back(n);
    return r.to.size() - 1;
  });
}

}  // namespace formwork
