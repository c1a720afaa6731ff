// A row kernel works in stages: each stage walks once along the row and ends with its reductions, which the next
// stage may use. This says which member is evaluated in which stages, and which are worth keeping between stages.
#pragma once

#include "order.hpp"

namespace formwork {

enum class level : std::uint8_t { element, row, column };

struct stage_plan {
  int stages = 1;
  std::vector<level> at;             // per member
  std::vector<int> first;            // the stage at which its value is known
  std::vector<unsigned> evaluated;   // bit s: computed in stage s
  std::vector<char> kept;            // saved at its first stage, read back later
};

constexpr bool reduces_rows(graph const& g, group const& k, int node) {
  return is_reduction(g[node].what) && g[node].shape.elements() == k.rows && k.rows * 1 != 0 && [&] {
    // Trailing axes are reduced when the last axis longer than 1 is one of them.
    dims s = g[g[node].in[0]].shape;
    for (int a = s.rank - 1; a >= 0; --a)
      if (s.size[a] != 1) return (g[node].attribute[0] >> a & 1) != 0;
    return true;
  }();
}

// A member whose maximum is taken: later stages compare with the value that the maximum was taken of.
constexpr bool reduced_to_maximum(graph const& g, group const& k, int node) {
  for (int m : k.members)
    if (g[m].what == kind::maximum && behind_reshapes(g, g[m].in[0]) == node) return true;
  return false;
}

constexpr stage_plan plan_stages(fusion const& f, group const& k) {
  graph const& g = f.g;
  std::size_t n = k.members.size();
  stage_plan p;
  p.at.assign(n, level::element);
  p.first.assign(n, 0);
  p.evaluated.assign(n, 0);
  p.kept.assign(n, 0);
  long all = k.domain.elements();
  for (std::size_t i = 0; i < n; ++i) {
    node const& m = g[k.members[i]];
    if (is_reduction(m.what)) p.at[i] = reduces_rows(g, k, k.members[i]) ? level::row : level::column;
    else if (k.rows >= 0 && k.rows != all && m.what != kind::replace && m.shape.elements() == k.rows) p.at[i] = level::row;
    for (int j = 0; j < m.inputs; ++j) {
      int x = member_operand(g, k, m, j);
      if (x < 0) continue;
      bool after = is_reduction(g[k.members[static_cast<std::size_t>(x)]].what);
      int s = p.first[static_cast<std::size_t>(x)] + (after ? 1 : 0);
      p.first[i] = s > p.first[i] ? s : p.first[i];
    }
    p.stages = p.first[i] + 1 > p.stages && (p.at[i] == level::element || is_reduction(m.what)) ? p.first[i] + 1 : p.stages;
  }
  for (std::size_t i = n; i-- > 0;) {
    node const& m = g[k.members[i]];
    if (p.at[i] == level::element) {
      if (f.stored[static_cast<std::size_t>(k.members[i])] && f.owner[static_cast<std::size_t>(k.members[i])] == static_cast<int>(&k - f.groups.data()))
        p.evaluated[i] |= 1u << p.first[i];
      unsigned e = p.evaluated[i];
      if ((e & (e - 1)) != 0 && ((m.op && !m.op->cheap) || reduced_to_maximum(g, k, k.members[i]))) {
        p.kept[i] = 1;
        p.evaluated[i] = e = e & (~e + 1);
      }
    } else if (is_reduction(m.what)) {
      p.evaluated[i] = 1u << p.first[i];
    } else {
      continue;
    }
    for (int j = 0; j < m.inputs; ++j) {
      int x = member_operand(g, k, m, j);
      if (x >= 0 && p.at[static_cast<std::size_t>(x)] == level::element) p.evaluated[static_cast<std::size_t>(x)] |= p.evaluated[i];
    }
  }
  return p;
}

}  // namespace formwork
