// graph: a program while it is being built or rewritten. Nodes stand in an order in which every node comes after
// its operands (a loop variable's next value excepted). `push` gives equal nodes the same number.
#pragma once

#include <array>
#include <vector>

#include "tables.hpp"

namespace formwork {

struct graph {
  std::vector<node> nodes;
  std::vector<scope_info> scopes{scope_info{}};
  std::vector<parameter_info> parameters;
  std::vector<input_info> inputs;
  std::vector<output_info> outputs;
  int scope = 0;    // where new nodes go
  int streams = 0;  // random streams in use

  constexpr graph() { nodes.reserve(512); }

  constexpr node const& operator[](int id) const { return nodes[static_cast<std::size_t>(id)]; }
  constexpr node& operator[](int id) { return nodes[static_cast<std::size_t>(id)]; }
  constexpr int size() const { return static_cast<int>(nodes.size()); }

  constexpr bool encloses(int outer, int inner) const {
    while (inner != outer && inner != 0) inner = scopes[static_cast<std::size_t>(inner)].parent;
    return inner == outer;
  }
  constexpr int depth(int s) const {
    int d = 0;
    for (; s != 0; s = scopes[static_cast<std::size_t>(s)].parent) ++d;
    return d;
  }

  // The scope in which a pure node with these operands belongs: the innermost of theirs, so that what does
  // not change in a loop is computed before it. A value of a finished loop is read in the loop at hand.
  constexpr int scope_of_operands(node const& n) const {
    int best = 0;
    for (int k = 0; k < n.inputs; ++k) {
      int i = n.in[static_cast<std::size_t>(k)];
      if (i < 0) continue;
      int s = (*this)[i].scope;
      if (!encloses(s, scope)) return scope;
      if (depth(s) > depth(best)) best = s;
    }
    return best;
  }

  // Adds a node in the current scope, even where an equal one exists.
  constexpr int push_here(node n) {
    n.scope = static_cast<std::int16_t>(scope);
    nodes.push_back(n);
    return size() - 1;
  }

  // Adds a pure node, or finds the equal one.
  constexpr int push(node n) {
    bool stays = n.what == kind::map && n.attribute[0] == 1;
    if (!stays) n.scope = static_cast<std::int16_t>(scope_of_operands(n));
    return push_unique(n);
  }

  // The same, with n.scope as given.
  constexpr int push_unique(node n) {
    if (n.op && n.op->commutative && n.in[0] > n.in[1]) std::swap(n.in[0], n.in[1]);
    int& newest = bucket[hash(n) % bucket.size()];
    for (int l = newest; l != 0; l = links[static_cast<std::size_t>(l) - 1].older)
      if (int id = links[static_cast<std::size_t>(l) - 1].node; same_content((*this)[id], n)) return id;
    nodes.push_back(n);
    links.push_back({size() - 1, newest});
    newest = static_cast<int>(links.size());
    return size() - 1;
  }

  constexpr int begin_loop(long count, bool reversed = false) {
    scopes.push_back({scope_kind::loop, scope, count, reversed});
    return scope = static_cast<int>(scopes.size()) - 1;
  }
  constexpr int begin_score() {
    scopes.push_back({scope_kind::score, scope, 1, false});
    return scope = static_cast<int>(scopes.size()) - 1;
  }
  constexpr void end_scope() { scope = scopes[static_cast<std::size_t>(scope)].parent; }

 private:
  // The nodes of equal hash, the newest first, as numbers of links from 1 on. Zeros, which compilers need not write: a
  // constant expression makes dozens of graphs.
  struct link { int node, older; };
  std::array<int, 2048> bucket{};
  std::vector<link> links;

  static constexpr std::size_t hash(node const& n) {
    std::uint64_t h = static_cast<std::uint64_t>(n.what) + 31u * static_cast<std::uint64_t>(n.scope);
    for (int k = 0; k < n.inputs; ++k) h = (h ^ static_cast<std::uint64_t>(n.in[static_cast<std::size_t>(k)] + 1)) * 0x9e3779b97f4a7c15u;
    h ^= static_cast<std::uint64_t>(n.attribute[0] * 7 + n.attribute[1] * 3 + n.shape.rank) + (n.op ? static_cast<std::uint64_t>(n.op->name[0]) << 8 : 0);
    h += static_cast<std::uint64_t>(static_cast<std::int64_t>((n.number > -1e6 && n.number < 1e6 ? n.number : 1e6) * 4096));
    h *= 0xbf58476d1ce4e5b9u;
    return static_cast<std::size_t>(h ^ (h >> 29));
  }
};

// What the score operand of an attention says; factor -1: none.
struct finished_score { int score, factor; };
constexpr finished_score finished_score_of(graph const& g, int x) {
  if (g[x].what == kind::weigh) return {g[x].in[0], g[x].in[1]};
  return {x, -1};
}

}  // namespace formwork
