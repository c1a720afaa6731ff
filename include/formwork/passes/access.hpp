// Where the elements of a node lie: a chain of views, resolved to the node that owns the storage, with strides.
#pragma once

#include "../ops/add.hpp"
#include "../program/graph.hpp"
#include "../trace/derivative.hpp"  // op data must be complete before its first use in a constant expression
#include "domain.hpp"

namespace formwork {

struct access {
  int source = -1;   // the node that is stored or generated
  dims shape{};      // of the node that was resolved
  dims stride{};     // elements of the source's storage per step along each axis
  long offset = 0;
  bool ok = true;    // false: no strides describe it; it must be copied first
};

constexpr bool is_reshape(graph const& g, int id) { return g[id].what == kind::reshape; }

// The node behind reshapes: the same elements in the same order.
constexpr int behind_reshapes(graph const& g, int id) {
  while (is_reshape(g, id)) id = g[id].in[0];
  return id;
}

// A broadcast that repeats each element of its operand along trailing axes only: one value per row.
constexpr bool repeats_rows(graph const& g, int broadcast) {
  dims const &to = g[broadcast].shape, &from = g[g[broadcast].in[0]].shape;
  bool repeats = false;
  for (int i = 0; i < to.rank; ++i) {
    int j = i - (to.rank - from.rank);
    bool repeated = to.size[i] != (j < 0 ? 1 : from.size[j]);
    if (repeats && !repeated && to.size[i] != 1) return false;
    repeats = repeats || repeated;
  }
  return repeats;
}

// The node whose storage a chain of views leads to.
constexpr int storage_behind(graph const& g, int id) {
  while (is_view(g[id].what)) id = g[id].in[0];
  return id;
}

// The same, through what a loop reads or leaves iteration by iteration.
constexpr int origin_of(graph const& g, int id) {
  id = storage_behind(g, id);
  while (is_loop_view(g[id].what)) id = storage_behind(g, g[id].in[0]);
  return id;
}

// The number behind a constant and any views of it.
struct constant_value {
  bool known = false;
  double number = 0;
};
constexpr constant_value constant_of(graph const& g, int id) {
  id = storage_behind(g, id);
  return {g[id].what == kind::constant, g[id].number};
}

// A loop's variable that nothing but its own next value reads, which adds a product to it: a sum over the iterations
// that can be formed where its result is wanted.
constexpr bool sums_products(graph const& g, int final) {
  if (g[final].what != kind::final) return false;
  const int c = g[final].in[0], next = behind_reshapes(g, g[c].in[1]);
  node const& n = g[next];
  if (n.what != kind::map || n.op != op_of<ops::add>() || n.scope != g[c].scope) return false;
  const int other = n.in[0] == c ? n.in[1] : n.in[0];
  if ((n.in[0] != c && n.in[1] != c) || g[behind_reshapes(g, other)].what != kind::contract) return false;
  for (int i = 0; i < g.size(); ++i)
    for (int k = 0; k < g[i].inputs; ++k) {
      const int x = g[i].in[static_cast<std::size_t>(k)];
      if ((x == c && i != next && i != final) || (x == next && i != c)) return false;
    }
  return true;
}

// layout(source) gives the strides and the offset of a source's own storage.
template <class Layout> constexpr access resolve(graph const& g, int id, Layout const& layout) {
  node const& n = g[id];
  if (!is_view(n.what)) {
    access a = layout(id);
    a.source = id;
    a.shape = n.shape;
    return a;
  }
  access a = resolve(g, n.in[0], layout), r = a;
  if (!a.ok) return a;
  r.shape = n.shape;
  r.stride.rank = n.shape.rank;
  switch (n.what) {
    case kind::broadcast: {
      int lead = n.shape.rank - a.shape.rank;
      for (int i = 0; i < n.shape.rank; ++i)
        r.stride.size[i] = i < lead || (a.shape.size[i - lead] == 1 && n.shape.size[i] != 1) ? 0 : a.stride.size[i - lead];
      break;
    }
    case kind::transpose:
      for (int i = 0; i < n.shape.rank; ++i) r.stride.size[i] = a.stride.size[n.attribute[static_cast<std::size_t>(i)]];
      break;
    case kind::slice:
      for (int i = 0; i < n.shape.rank; ++i) {
        r.stride.size[i] = a.stride.size[i];
        r.offset += a.stride.size[i] * n.attribute[static_cast<std::size_t>(i)];
      }
      break;
    default:  // reshape
      r.ok = restride(a.shape, a.stride, n.shape, r.stride);
  }
  return r;
}

// Row-major storage.
struct contiguous_layout {
  graph const& g;
  constexpr access operator()(int id) const {
    access a;
    a.stride = contiguous_strides(g[id].shape);
    return a;
  }
};

}  // namespace formwork
