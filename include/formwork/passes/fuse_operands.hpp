// What fusing needs to know of single nodes: how an operand is read, and the domain that a node asks for.
#pragma once

#include "group.hpp"

namespace formwork::detail {

struct operand_reader {
  graph const& g;

  // How a member of a group reads an operand.
  struct operand {
    int source = -1;       // behind reshapes, and for rows behind one broadcast
    bool in_order = false;  // element by element in the order of the reader
    bool per_row = false;   // a broadcast of one value per row (or of a single value)
    bool free = false;      // a constant or coordinate: needs no memory
  };
  constexpr operand look(int x) const {
    operand o;
    int y = behind_reshapes(g, x);
    o.source = y;
    o.in_order = !is_view(g[y].what);
    o.free = is_generator(g[y].what);
    if (g[y].what == kind::broadcast) {
      int z = behind_reshapes(g, g[y].in[0]);
      o.source = z;
      o.free = is_generator(g[z].what);
      o.per_row = !is_view(g[z].what) && repeats_rows(g, y);
    }
    if (is_view(g[o.source].what)) {
      int z = o.source;
      while (is_view(g[z].what)) z = g[z].in[0];
      o.source = z;
      o.free = is_generator(g[z].what);
      o.in_order = o.per_row = false;
    }
    return o;
  }

  constexpr long rows_of_reduction(int i) const {
    dims s = g[g[i].in[0]].shape;
    int axes = g[i].attribute[0], first = s.rank;
    for (int a = s.rank - 1; a >= 0; --a)
      if (axes >> a & 1) first = a;
    bool trailing = true;
    for (int a = first; a < s.rank; ++a) trailing = trailing && ((axes >> a & 1) || s.size[a] == 1);
    if (trailing) return s.product(0, first);
    int last = 0;
    for (int a = 0; a < s.rank; ++a)
      if (axes >> a & 1) last = a + 1;
    return s.product(0, last);
  }
  constexpr bool reduces_columns(int i) const {
    dims s = g[g[i].in[0]].shape;
    int axes = g[i].attribute[0], first = s.rank;
    for (int a = s.rank - 1; a >= 0; --a)
      if (axes >> a & 1) first = a;
    for (int a = first; a < s.rank; ++a)
      if (!(axes >> a & 1) && s.size[a] != 1) return true;
    return false;
  }

  // The domain that a node asks of its group: the elements it runs over and, where it matters, the number of rows.
  struct demand { dims shape; long rows = -1; };
  constexpr demand demand_of(int i) const {
    if (is_reduction(g[i].what)) return {g[g[i].in[0]].shape, rows_of_reduction(i)};
    if (g[i].what == kind::gather) return {g[i].shape, g[g[i].in[1]].shape.elements()};
    if (g[i].what == kind::replace) return {g[g[i].in[2]].shape, g[g[i].in[1]].shape.elements()};
    return {g[i].shape, -1};
  }

  constexpr bool fits(group const& k, demand const& d, dims* refined = nullptr) const {
    if (d.rows >= 0 && k.rows >= 0 && d.rows != k.rows) return false;
    if (d.shape.elements() != k.domain.elements()) return false;
    dims r = refine(k.domain, d.shape);
    if (r.rank < 0) return false;
    long rows = d.rows >= 0 ? d.rows : k.rows;
    if (rows >= 0 && split_at(r, rows) < 0) return false;
    if (refined) *refined = r;
    return true;
  }

  // What a node asks of a group that is there: one value per row asks for its axes among the rows.
  constexpr demand demand_in(group const& K, int i) const {
    if (!is_elementwise(g[i].what) || K.rows < 0 || K.rows == K.domain.elements() || g[i].shape.elements() != K.rows) return demand_of(i);
    demand d;
    for (int a = 0; a < g[i].shape.rank; ++a)
      if (g[i].shape.size[a] != 1) d.shape.push_back(g[i].shape.size[a]);
    if (d.shape.rank == max_rank) return {};  // fits nowhere
    d.shape.push_back(K.domain.elements() / K.rows);
    return d;
  }

  // Two products of one left operand, whose right ones are parameters and lie in memory in the same way.
  constexpr bool same_rows(int a, int b) const {
    node const &x = g[a], &y = g[b];
    if (x.in[0] != y.in[0] || !(x.shape == y.shape) || x.type != y.type) return false;
    access p = resolve(g, x.in[1], contiguous_layout{g}), q = resolve(g, y.in[1], contiguous_layout{g});
    return p.ok && q.ok && p.stride == q.stride && g[p.source].type == g[q.source].type && g[p.source].what == kind::parameter && g[q.source].what == kind::parameter;
  }

  constexpr int base(int x) const {
    while (is_view(g[x].what)) x = g[x].in[0];
    return x;
  }
};

}  // namespace formwork::detail
