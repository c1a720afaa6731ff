// Prologues: elementwise work that only one product reads is computed where the product reads its operand, instead of
// being written and read again.
#pragma once

#include "order.hpp"

namespace formwork {

// How a product reads an operand that it computes: as from memory with these strides, in which rows of `columns`
// elements follow each other. One of outer and inner walks along a row, the others from row to row.
struct computed_operand {
  access at{};
  long columns = 0, batch = 0, outer = 0, inner = 0;
  bool ok = false;
};

// which: 0 for A (outer: its rows), 1 for B (outer: its columns).
constexpr computed_operand read_computed(graph const& g, int x, int which) {
  computed_operand r;
  r.at = resolve(g, x, [&](int id) {
    access a;
    a.stride = contiguous_strides(g[id].shape);
    return a;
  });
  if (!r.at.ok || r.at.offset != 0 || g[r.at.source].shape.rank == 0) return r;
  const int rank = r.at.shape.rank;
  const address batch = coalesce(r.at.shape, r.at.stride, 0, rank - 2);
  if (batch.rank > 1) return r;
  auto step = [&](int axis) { return r.at.shape.size[axis] == 1 ? 0 : r.at.stride.size[axis]; };
  r.columns = g[r.at.source].shape[-1];
  r.batch = batch.rank == 1 ? batch.stride[0] : 0;
  r.outer = step(which == 0 ? rank - 2 : rank - 1);
  r.inner = step(which == 0 ? rank - 1 : rank - 2);
  const long along = r.at.shape.size[r.inner == 1 ? (which == 0 ? rank - 1 : rank - 2) : (which == 0 ? rank - 2 : rank - 1)];
  const long across = r.inner == 1 ? r.outer : r.inner;
  r.ok = (r.inner == 1 || r.outer == 1) && along == r.columns && across % r.columns == 0 && r.batch % r.columns == 0;
  return r;
}

namespace detail {

// Is group p nothing but elementwise work for x, which nobody but group k reads?
constexpr bool serves_only(fusion const& f, int p, int x, int k) {
  graph const& g = f.g;
  group const& P = f.groups[static_cast<std::size_t>(p)];
  if (P.what != skeleton::rows || P.row_reductions || P.column_reductions || P.scope != f.groups[static_cast<std::size_t>(k)].scope) return false;
  for (int m : P.members)
    if (!is_elementwise(g[m].what) || (m != x && f.owner[static_cast<std::size_t>(m)] == p && f.stored[static_cast<std::size_t>(m)])) return false;
  for (std::size_t other = 0; other < f.reads.size(); ++other)
    for (int r : f.reads[other])
      if (origin_of(g, r) == x && static_cast<int>(other) != k) return false;
  for (auto const& o : g.outputs)
    if (storage_behind(g, o.node) == x) return false;
  for (int i = 0; i < g.size(); ++i)
    if (g[i].what == kind::carry)
      for (int j = 0; j < 2; ++j)
        if (storage_behind(g, g[i].in[static_cast<std::size_t>(j)]) == x) return false;
  return true;
}

constexpr void absorb_prologues(fusion& f) {
  graph const& g = f.g;
  for (std::size_t k = 0; k < f.groups.size(); ++k) {
    if (f.groups[k].what != skeleton::contract || products_of(g, f.groups[k]) != 1) continue;
    node const& product = g[f.groups[k].anchor];
    if (storage_behind(g, product.in[0]) == storage_behind(g, product.in[1])) continue;
    for (int which = 0; which < 2; ++which) {
      const int x = storage_behind(g, product.in[static_cast<std::size_t>(which)]), p = f.owner[static_cast<std::size_t>(x)];
      if (p < 0 || p == static_cast<int>(k) || f.groups[static_cast<std::size_t>(p)].absorbed) continue;
      if (g[x].type != g[f.groups[k].anchor].type || !is_elementwise(g[x].what)) continue;  // 16-bit values are rounded by being stored
      if (!read_computed(g, product.in[static_cast<std::size_t>(which)], which).ok || !serves_only(f, p, x, static_cast<int>(k))) continue;
      // The epilogue may read x, too: then it must lie in memory.
      bool twice = false;
      for (int m : f.groups[k].members)
        for (int j = 0; j < g[m].inputs; ++j)
          twice = twice || (m != f.groups[k].anchor && g[m].in[static_cast<std::size_t>(j)] >= 0 && storage_behind(g, g[m].in[static_cast<std::size_t>(j)]) == x);
      if (twice) continue;
      f.groups[k].prologue[which] = p;
      f.groups[static_cast<std::size_t>(p)].absorbed = true;
      f.stored[static_cast<std::size_t>(x)] = 0;
      std::vector<int> reads;
      for (int r : f.reads[k])
        if (r != x) reads.push_back(r);
      for (int r : f.reads[static_cast<std::size_t>(p)]) {
        bool known = false;
        for (int q : reads) known = known || q == r;
        if (!known) reads.push_back(r);
      }
      f.reads[k] = reads;
    }
  }
}

}  // namespace detail
}  // namespace formwork
