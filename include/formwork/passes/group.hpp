// A group is what one kernel computes; a fusion is the program cut into groups, in the order in which they run.
#pragma once

#include <vector>

#include "access.hpp"

namespace formwork {

enum class skeleton : std::uint8_t { rows, contract, attend, attend_backward, scatter };

constexpr std::string_view name_of(skeleton s) {
  constexpr std::string_view names[] = {"rows", "contract", "attend", "attend_backward", "scatter"};
  return names[static_cast<int>(s)];
}

struct group {
  skeleton what{};
  int scope = 0;
  int anchor = -1;            // the node that gave the skeleton
  dims domain{};              // the elements that the elementwise members run over
  long rows = -1;             // leading part of the domain that reductions keep; -1: nobody asked
  bool row_reductions = false, column_reductions = false;
  std::vector<int> members;   // in an order in which operands come first
  int prologue[2]{-1, -1};    // a product's: the groups that compute its operands' elements where it reads them
  bool absorbed = false;      // is such a prologue: runs in its product's kernel
};

struct fusion {
  graph g;
  std::vector<group> groups;
  std::vector<int> owner;      // node -> the group that computes it, -1: none
  std::vector<char> stored;    // node -> lies in memory
  std::vector<std::vector<char>> before;  // before[k][j]: group j must have run before group k
  std::vector<std::vector<int>> reads;    // group -> the stored or owned nodes that it reads from outside itself
  std::vector<int> order;      // groups as they run; those of one loop stand together

  constexpr explicit fusion(graph const& program)
      : g(program), owner(program.nodes.size(), -1), stored(program.nodes.size(), 0) {}

  constexpr int add_group(skeleton what, int scope, int anchor, dims domain) {
    group k;
    k.what = what;
    k.scope = scope;
    k.anchor = anchor;
    k.domain = domain;
    groups.push_back(k);
    for (auto& row : before) row.push_back(0);
    before.push_back(std::vector<char>(groups.size(), 0));
    return static_cast<int>(groups.size()) - 1;
  }

  // Must `late` wait for `early`?
  constexpr bool depends(int late, int early) const {
    return before[static_cast<std::size_t>(late)][static_cast<std::size_t>(early)] != 0;
  }
  // Keeps the relation transitive.
  constexpr void depend(int late, int early) {
    if (late == early || depends(late, early)) return;
    std::size_t n = groups.size();
    for (std::size_t k = 0; k < n; ++k) {
      if (k != static_cast<std::size_t>(late) && !before[k][static_cast<std::size_t>(late)]) continue;
      before[k][static_cast<std::size_t>(early)] = 1;
      for (std::size_t j = 0; j < n; ++j)
        if (before[static_cast<std::size_t>(early)][j]) before[k][j] = 1;
    }
  }

  // Group a becomes both, b nothing.
  constexpr void merge(int a, int b) {
    group &A = groups[static_cast<std::size_t>(a)], &B = groups[static_cast<std::size_t>(b)];
    A.row_reductions = A.row_reductions || B.row_reductions;
    A.column_reductions = A.column_reductions || B.column_reductions;
    for (int m : B.members) {
      bool known = false;
      for (int n : A.members) known = known || n == m;
      if (!known) A.members.push_back(m);
    }
    B.members.clear();
    for (int& o : owner)
      if (o == b) o = a;
    for (std::size_t k = 0; k < groups.size(); ++k) {
      if (depends(b, static_cast<int>(k))) depend(a, static_cast<int>(k));
      if (depends(static_cast<int>(k), b) && static_cast<int>(k) != a) depend(static_cast<int>(k), a);
    }
  }
};

// The group's members, and those of its prologues.
constexpr std::vector<int> all_members(fusion const& f, group const& k) {
  std::vector<int> all;
  for (int p : k.prologue)
    if (p >= 0)
      for (int m : f.groups[static_cast<std::size_t>(p)].members) all.push_back(m);
  for (int m : k.members) all.push_back(m);
  return all;
}

constexpr int member_index(group const& k, int node) {
  for (std::size_t i = 0; i < k.members.size(); ++i)
    if (k.members[i] == node) return static_cast<int>(i);
  return -1;
}

constexpr int products_of(graph const& g, group const& k) {
  int n = 0;
  for (int m : k.members) n += g[m].what == kind::contract;
  return n;
}

// The member whose value at hand an operand is: the same elements in the same order, or one value per row, repeated
// along it. -1: the operand comes from memory, even where it is another view of a member.
constexpr int member_behind(graph const& g, group const& k, int x) {
  x = behind_reshapes(g, x);
  if (g[x].what != kind::broadcast) return member_index(k, x);
  int y = behind_reshapes(g, g[x].in[0]);
  return k.rows == g[y].shape.elements() && repeats_rows(g, x) ? member_index(k, y) : -1;
}

// Reads its operands from memory, whoever computes them.
constexpr bool reads_memory(kind k) { return k == kind::gather || k == kind::replace; }

// The member that operand j of node m leads to, or -1.
constexpr int member_operand(graph const& g, group const& k, node const& m, int j) {
  int x = m.in[static_cast<std::size_t>(j)];
  return x < 0 || reads_memory(m.what) ? -1 : member_behind(g, k, x);
}

}  // namespace formwork
