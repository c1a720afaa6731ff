// Sums of what a product's kernel computes, along its rows or down its columns: which ones that kernel may form.
#pragma once

#include "fuse_operands.hpp"
#include "uses.hpp"

namespace formwork::detail {

struct product_sums : operand_reader {
  fusion const& f;
  use_table const& uses;

  // The product's kernel that may form the sum i, or -1.
  constexpr int kernel_for(int i, bool prologues) const {
    const operand o = look(g[i].in[0]);
    if (o.free || !o.in_order || is_reduction(g[o.source].what) || g[o.source].scope != g[i].scope) return -1;
    int k = f.owner[static_cast<std::size_t>(o.source)];
    // What a maximum is compared with is computed once, and rounded where it is stored.
    if (k < 0 && g[i].what == kind::sum) k = product_behind(o.source);
    if (k < 0 || f.groups[static_cast<std::size_t>(k)].what != skeleton::contract || !fits(f.groups[static_cast<std::size_t>(k)], demand_of(i))) return -1;
    return (along_rows(k, i) ? !read_again(i, prologues) : down_columns(k, i)) ? k : -1;
  }
  constexpr void add(group& K, int i) const {
    const demand d = demand_of(i);
    fits(K, d, &K.domain);
    K.members.push_back(i);
    if (!reduces_columns(i)) K.rows = d.rows;
    (reduces_columns(i) ? K.column_reductions : K.row_reductions) = true;
  }

 private:
  constexpr long columns_of(int k) const { return g[f.groups[static_cast<std::size_t>(k)].anchor].shape[-1]; }
  constexpr bool down_columns(int k, int i) const { return reduces_columns(i) && g[i].shape.elements() == columns_of(k); }
  constexpr bool along_rows(int k, int i) const {
    return !reduces_columns(i) && columns_of(k) > 1 && rows_of_reduction(i) == f.groups[static_cast<std::size_t>(k)].domain.elements() / columns_of(k);
  }

  // The product's kernel whose elements x is computed from, where x has no kernel and needs nothing else of its size; -1: none.
  // Others may need x too: then it is cheap.
  constexpr int product_behind(int x, int depth = 0) const {
    if (f.owner[static_cast<std::size_t>(x)] >= 0 || !is_elementwise(g[x].what) || depth > 8) return -1;
    if (g[x].op && !g[x].op->cheap && uses[x].size() != 1) return -1;
    int k = -1;
    for (int j = 0; j < g[x].inputs; ++j) {
      const operand o = look(g[x].in[static_cast<std::size_t>(j)]);
      if (o.free) continue;
      if (!o.in_order) {
        if (g[o.source].shape.elements() >= g[x].shape.elements()) return -1;
        continue;
      }
      int from = f.owner[static_cast<std::size_t>(o.source)];
      if (from < 0) from = product_behind(o.source, depth + 1);
      else if (f.groups[static_cast<std::size_t>(from)].what != skeleton::contract || is_reduction(g[o.source].what)) return -1;
      if (from < 0 || (k >= 0 && from != k)) return -1;
      k = from;
    }
    return k;
  }

  // Will a kernel that could form the sum i along its rows read the elements anyway, as softmax does? It computes something
  // of their size from the sum, and of nothing that comes later. Products that do so for themselves read them in any case.
  constexpr bool read_again(int i, bool prologues) const {
    const long elements = g[g[i].in[0]].shape.elements();
    const std::size_t n = g.nodes.size();
    std::vector<char> later(n, 0), from(n, 0);
    from[static_cast<std::size_t>(i)] = 1;
    for (int x = i + 1; x < g.size(); ++x) {
      const kind what = g[x].what;
      bool late = false, reads = false;
      for (int j = 0; j < g[x].inputs; ++j) {
        const int y = g[x].in[static_cast<std::size_t>(j)];
        if (y < 0) continue;
        late = late || later[static_cast<std::size_t>(y)];
        reads = reads || from[static_cast<std::size_t>(y)];
      }
      if (g[x].inputs > 0 && !is_elementwise(what) && !is_reduction(what) && !is_view(what)) late = true;
      later[static_cast<std::size_t>(x)] = late;
      from[static_cast<std::size_t>(x)] = reads && !late;
      if (late || !reads || is_view(what)) continue;
      if (is_reduction(what) && g[g[x].in[0]].shape.elements() == elements && !uses[x].empty()) return true;
      if (is_elementwise(what) && g[x].shape.elements() == elements && wanted(x, prologues)) return true;
    }
    return false;
  }

  // By anything but elementwise work, sums, and products that compute their operands.
  constexpr bool wanted(int x, bool prologues) const {
    for (auto u : uses[x]) {
      if (u.user < 0 || g[u.user].scope != g[x].scope) return true;
      const kind what = g[u.user].what;
      if (is_elementwise(what) || is_reduction(what)) continue;
      if (is_view(what) ? wanted(u.user, prologues) : !(prologues && what == kind::contract)) return true;
    }
    return false;
  }
};

}  // namespace formwork::detail
