// Prologues: elementwise work that only products read is computed where they read their operands, instead of being
// written and read again. Where it needs sums along its rows, as in a norm, a kernel computes those and nothing else.
#pragma once

#include "matrix_access.hpp"
#include "order.hpp"
#include "stages.hpp"

namespace formwork {

// How a product reads an operand that it computes: as from memory with these strides, in which rows of `columns`
// elements follow each other. One of outer and inner walks along a row, the others from row to row.
struct computed_operand {
  access at{};
  matrix_strides stride{};
  long columns = 0;
  bool ok = false;
};

// which: 0 for A (outer: its rows), 1 for B (outer: its columns).
constexpr computed_operand read_computed(graph const& g, int x, int which) {
  computed_operand r;
  r.at = resolve(g, x, contiguous_layout{g});
  if (!r.at.ok || r.at.offset != 0 || g[r.at.source].shape.rank == 0) return r;
  const matrix_access m = as_matrix(r.at, which);
  r.stride = m.stride;
  const bool by_inner = m.stride.inner == 1;
  const long across = by_inner ? m.stride.outer : m.stride.inner;
  r.columns = by_inner ? m.inner_extent : m.outer_extent;
  r.ok = m.ok && (by_inner || m.stride.outer == 1) && across % r.columns == 0 && m.stride.batch % r.columns == 0 && g[r.at.source].shape.elements() % r.columns == 0;
  return r;
}

// The axes over which group k computes x, of which the last ones are `columns`; rank -1: there are none.
constexpr dims prologue_domain(graph const& g, group const& k, int x, long columns) {
  const dims domain = refine(k.domain, g[x].shape);
  return domain.rank < 0 ? domain : refine(domain, dims{g[x].shape.elements() / columns, columns});
}

namespace detail {

// Finds the values that products can compute for themselves, and takes them out of their kernels.
class prologue_absorber {
 public:
  constexpr explicit prologue_absorber(fusion& to) : f(to), g(to.g), single(g.nodes.size(), 1) {
    // Outputs, and what a loop hands on, lie in memory.
    for (auto const& o : g.outputs) single[static_cast<std::size_t>(storage_behind(g, o.node))] = 0;
    for (int i = 0; i < g.size(); ++i)
      for (int j = 0; j < 2 && g[i].what == kind::carry; ++j) single[static_cast<std::size_t>(storage_behind(g, g[i].in[static_cast<std::size_t>(j)]))] = 0;
  }

  constexpr void run() {
    for (int x = 0; x < g.size(); ++x) {
      const int p = f.owner[static_cast<std::size_t>(x)];
      if (p < 0 || !f.stored[static_cast<std::size_t>(x)] || !single[static_cast<std::size_t>(x)] || !is_elementwise(g[x].what)) continue;
      if (f.groups[static_cast<std::size_t>(p)].what != skeleton::rows || !find_products(x, p) || !find_parts(x, p)) continue;
      absorb(x, p);
    }
  }

 private:
  struct reader { int product, which; };
  fusion& f;
  graph const& g;
  std::vector<char> single;     // node -> whether only kernels read it
  std::vector<reader> readers;  // of x
  std::vector<char> computes, rest;  // members of p: that x is computed from, element by element; that stay in p
  std::vector<int> statistics;  // values per row that x is computed from

  // All that read x: products, which read nothing of it but one operand.
  constexpr bool find_products(int x, int p) {
    readers.clear();
    for (std::size_t k = 0; k < f.groups.size(); ++k) {
      bool reads = false;
      for (int r : f.reads[k]) reads = reads || origin_of(g, r) == x;
      if (!reads) continue;
      group const& K = f.groups[k];
      if (K.what != skeleton::contract || K.scope != f.groups[static_cast<std::size_t>(p)].scope) return false;
      int which = -1;
      for (int m : K.members)
        for (int j = 0; j < g[m].inputs; ++j) {
          const int y = g[m].in[static_cast<std::size_t>(j)];
          if (y < 0 || origin_of(g, y) != x) continue;
          // Two products of one kernel share their left operand.
          if (g[m].what != kind::contract || storage_behind(g, y) != x || (which >= 0 && which != j) || (j == 1 && products_of(g, K) == 2)) return false;
          const computed_operand c = read_computed(g, y, j);
          if (!c.ok || prologue_domain(g, f.groups[static_cast<std::size_t>(p)], x, c.columns).rank < 0) return false;
          which = j;
        }
      if (which < 0) return false;
      readers.push_back({static_cast<int>(k), which});
    }
    return !readers.empty();
  }

  // What x is computed from, and what is left of p: sums along its rows that x needs, and what else it stores.
  constexpr bool find_parts(int x, int p) {
    group const& P = f.groups[static_cast<std::size_t>(p)];
    const stage_plan plan = plan_stages(f, P);
    const std::size_t n = P.members.size();
    computes.assign(n, 0);
    rest.assign(n, 0);
    statistics.clear();
    bool maximum = false;
    for (std::size_t i = n; i-- > 0;) {  // readers come after what they read
      const int m = P.members[i];
      const bool stored = f.stored[static_cast<std::size_t>(m)] && f.owner[static_cast<std::size_t>(m)] == p;
      maximum = maximum || g[m].what == kind::maximum;
      if (m == x) {
        if (plan.at[i] != level::element) return false;
        computes[i] = 1;
      } else if (stored || plan.at[i] == level::column) {
        rest[i] = 1;
      }
      if (rest[i])
        for (int j = 0; j < g[m].inputs; ++j)
          if (const int y = member_operand(g, P, g[m], j); y >= 0) rest[static_cast<std::size_t>(y)] = 1;
      if (!computes[i]) continue;
      for (int j = 0; j < g[m].inputs; ++j) {
        const int y = member_operand(g, P, g[m], j);
        if (y < 0) continue;
        const int z = P.members[static_cast<std::size_t>(y)];
        const bool in_memory = f.stored[static_cast<std::size_t>(z)] && f.owner[static_cast<std::size_t>(z)] == p;
        if (plan.at[static_cast<std::size_t>(y)] == level::row) {
          if (f.owner[static_cast<std::size_t>(z)] != p) return false;
          statistics.push_back(z);
          rest[static_cast<std::size_t>(y)] = 1;
        } else if (!in_memory) {
          if (!is_elementwise(g[z].what)) return false;
          computes[static_cast<std::size_t>(y)] = 1;
        }
      }
    }
    bool left = false;
    for (std::size_t i = 0; i < n; ++i) {
      left = left || rest[i];
      // What several kernels compute must be cheap.
      const op_info* op = g[P.members[i]].op;
      if (computes[i] && (rest[i] || readers.size() > 1) && op && !op->cheap) return false;
    }
    return !left || !maximum;  // what meets its own maximum is computed once
  }

  constexpr void absorb(int x, int p) {
    int q = p;
    bool left = false;
    for (char r : rest) left = left || r;
    if (left) {
      group const& P = f.groups[static_cast<std::size_t>(p)];
      const std::vector<int> all = P.members;
      q = f.add_group(skeleton::rows, P.scope, x, P.domain);
      f.reads.push_back({});
      group &from = f.groups[static_cast<std::size_t>(p)], &to = f.groups[static_cast<std::size_t>(q)];
      from.members.clear();
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (rest[i]) from.members.push_back(all[i]);
        if (computes[i]) to.members.push_back(all[i]);
        if (computes[i] && !rest[i] && f.owner[static_cast<std::size_t>(all[i])] == p) f.owner[static_cast<std::size_t>(all[i])] = q;
      }
      for (int s : statistics) f.stored[static_cast<std::size_t>(s)] = 1;
      read_again(p);
      read_again(q);
    }
    f.groups[static_cast<std::size_t>(q)].absorbed = true;
    f.stored[static_cast<std::size_t>(x)] = 0;
    for (reader const& r : readers) {
      f.groups[static_cast<std::size_t>(r.product)].prologue[r.which] = q;
      std::vector<int> reads;
      for (int y : f.reads[static_cast<std::size_t>(r.product)])
        if (y != x) reads.push_back(y);
      for (int y : f.reads[static_cast<std::size_t>(q)]) {
        bool known = false;
        for (int z : reads) known = known || z == y;
        if (!known) reads.push_back(y);
      }
      f.reads[static_cast<std::size_t>(r.product)] = reads;
    }
  }
  constexpr void read_again(int k) {
    std::vector<int> seen(g.nodes.size(), 0);
    f.reads[static_cast<std::size_t>(k)] = reads_of(f, k, seen);
  }
};

}  // namespace detail
}  // namespace formwork
