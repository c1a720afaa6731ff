// canonicalize: the forms that the skeletons know. Reductions run along trailing axes (rows) or down leading ones
// (columns); paddings are concatenations; whatever must lie in memory by itself (parts of a concatenation, a loop's
// next value, an output, what no strides describe) is computed or copied by a node of its own.
#pragma once

#include "../ops/stop_gradient.hpp"
#include "matrix_access.hpp"
#include "rewrite.hpp"

namespace formwork {

namespace detail {

constexpr int copy_node(graph& g, int x, int scope) {
  node n{.what = kind::map, .type = g[x].type, .scope = static_cast<std::int16_t>(scope), .inputs = 1, .shape = g[x].shape, .op = op_of<ops::stop_gradient>()};
  n.in[0] = x;
  g.nodes.push_back(n);
  return g.size() - 1;
}

// Computed by a kernel, as opposed to views, leaves and what callers own.
constexpr bool is_computed(kind k) {
  return is_elementwise(k) || is_reduction(k) || k == kind::contract || k == kind::gather || k == kind::scatter || k == kind::replace ||
         k == kind::attend || k == kind::attend_backward || k == kind::result || k == kind::concatenate;
}

constexpr int canonical_reduce(graph& g, kind what, int x, int axes, dtype type) {
  dims shape = g[x].shape, kept = shape;
  int rank = shape.rank, first = rank, last = -1;
  for (int i = 0; i < rank; ++i) {
    if (shape.size[i] == 1) axes &= ~(1 << i);
    if (axes >> i & 1) {
      first = i < first ? i : first;
      last = i;
      kept.size[i] = 1;
    }
  }
  if (last < 0) return build::reduce(g, what, x, 0, type);
  bool run = true, trailing = true, leading = true;
  for (int i = 0; i < rank; ++i) {
    bool reduced = axes >> i & 1;
    if (i >= first && i <= last && !reduced && shape.size[i] != 1) run = false;
    if (i > last && shape.size[i] != 1) trailing = false;
    if (i < first && shape.size[i] != 1) leading = false;
  }
  if (run && (trailing || leading)) return build::reduce(g, what, x, axes, type);
  // Trailing axes first, on their own.
  int tail = 0;
  for (int i = rank - 1; i >= 0 && ((axes >> i & 1) || shape.size[i] == 1); --i) tail |= axes & (1 << i);
  if (tail != 0) return canonical_reduce(g, what, build::reduce(g, what, x, tail, type), axes & ~tail, type);
  int head = 0;
  for (int i = 0; i < rank && ((axes >> i & 1) || shape.size[i] == 1); ++i) head |= axes & (1 << i);
  if (head != 0) return canonical_reduce(g, what, build::reduce(g, what, x, head, type), axes & ~head, type);
  // Axes in the middle move to the end.
  std::array<int, 6> p{};
  int at = 0, moved = 0;
  for (int i = 0; i < rank; ++i)
    if (!(axes >> i & 1)) p[static_cast<std::size_t>(at++)] = i;
  for (int i = 0; i < rank; ++i)
    if (axes >> i & 1) {
      moved |= 1 << at;
      p[static_cast<std::size_t>(at++)] = i;
    }
  int y = copy_node(g, build::transpose(g, x, p), g[x].scope);
  return build::reshape(g, build::reduce(g, what, y, moved, type), kept);
}

// Zeros, x, zeros along every padded axis.
constexpr int pad_by_concatenation(graph& g, int x, std::array<int, 6> first, dims shape, int scope) {
  for (int axis = 0; axis < shape.rank; ++axis) {
    long before = first[static_cast<std::size_t>(axis)], after = shape.size[axis] - before - g[x].shape.size[axis];
    if (before == 0 && after == 0) continue;
    std::array<int, 6> parts{};
    int count = 0;
    auto zeros = [&](long size) {
      dims d = g[x].shape;
      d.size[axis] = size;
      return copy_node(g, build::broadcast(g, build::constant(g, 0, g[x].type), d), scope);
    };
    if (before > 0) parts[static_cast<std::size_t>(count++)] = zeros(before);
    parts[static_cast<std::size_t>(count++)] = copy_node(g, x, scope);
    if (after > 0) parts[static_cast<std::size_t>(count++)] = zeros(after);
    x = build::concatenate(g, parts, count, axis);
  }
  return x;
}

// Reshapes that only products read, as right operands in panels of so many bytes: they are left as they are.
constexpr std::vector<char> reshapes_to_panels(graph const& g, rewrite const& r, std::vector<int> const& uses, int panel_bytes) {
  std::vector<int> reads(g.nodes.size(), 0);
  for (int i = 0; i < g.size() && panel_bytes > 0; ++i) {
    if (!r.live[static_cast<std::size_t>(i)] || g[i].what != kind::contract) continue;
    int x = g[i].in[1];
    const matrix_access m = as_panels(g, x, contiguous_layout{g});
    if (!m.ok || m.stride.panel * static_cast<long>(size_of(g[x].type)) != panel_bytes) continue;
    ++reads[static_cast<std::size_t>(x)];
    if (!is_reshape(g, x) && reads[static_cast<std::size_t>(x)] == uses[static_cast<std::size_t>(x)]) ++reads[static_cast<std::size_t>(g[x].in[0])];
  }
  std::vector<char> all(g.nodes.size(), 0);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = reads[i] > 0 && reads[i] == uses[i];
  return all;
}

}  // namespace detail

// panel_bytes: how wide the panels are in which a backend's products can read their right operand; 0: in none.
struct canonical_forms { int panel_bytes = 0; };

constexpr graph canonicalize(graph const& from, canonical_forms known = {}) {
  rewrite r(from);
  graph& g = r.to;
  std::vector<int> uses(from.nodes.size(), 0);
  for (int i = 0; i < from.size(); ++i)
    if (r.live[static_cast<std::size_t>(i)] && from[i].what != kind::result)
      for (int k = 0; k < from[i].inputs; ++k)
        if (from[i].in[static_cast<std::size_t>(k)] >= 0) ++uses[static_cast<std::size_t>(from[i].in[static_cast<std::size_t>(k)])];
  for (auto const& o : from.outputs) ++uses[static_cast<std::size_t>(o.node)];

  const std::vector<char> to_panels = detail::reshapes_to_panels(from, r, uses, known.panel_bytes);
  auto in_panels = [&](int x) { return to_panels[static_cast<std::size_t>(from[x].what == kind::slice ? from[x].in[0] : x)]; };

  // Copies what has no strides of its own, or (alone) what is not a computed node with this one use.
  auto addressable = [&](int x) { return resolve(g, x, contiguous_layout{g}).ok; };

  // Operand k of a kernel that reads memory itself: coordinates and constants, and layouts that it cannot walk, are copied.
  auto in_memory = [&](node& n, int k, auto fits) {
    int& x = n.in[static_cast<std::size_t>(k)];
    if (x < 0) return;
    access a = resolve(g, x, contiguous_layout{g});
    if (is_generator(g[a.source].what) || !a.ok || !fits(a)) x = detail::copy_node(g, x, n.scope);
  };

  for (int i = 0; i < from.size(); ++i) {
    if (!r.live[static_cast<std::size_t>(i)]) continue;
    g.scope = from[i].scope;
    node n = r.translated(i);
    int& to = r.number[static_cast<std::size_t>(i)];
    switch (n.what) {
      case kind::sum: case kind::maximum:
        to = detail::canonical_reduce(g, n.what, n.in[0], n.attribute[0], n.type);
        break;
      case kind::pad: to = detail::pad_by_concatenation(g, n.in[0], n.attribute, n.shape, n.scope); break;
      case kind::concatenate:
        for (int k = 0; k < n.inputs; ++k) {
          int old = from[i].in[static_cast<std::size_t>(k)];
          bool alone = uses[static_cast<std::size_t>(old)] == 1;
          while (from[old].what == kind::reshape && alone) {
            old = from[old].in[0];
            alone = uses[static_cast<std::size_t>(old)] == 1;
          }
          int source = r.number[static_cast<std::size_t>(old)];
          // A part is computed where it stands in the whole, if its own axes can be laid out so.
          dims in_place;
          const bool fits = restride(from[from[i].in[static_cast<std::size_t>(k)]].shape, contiguous_strides(n.shape), g[source].shape, in_place);
          if (!alone || !fits || !detail::is_computed(g[source].what) || g[source].scope != n.scope || g[source].what == kind::concatenate || g[source].what == kind::scatter)
            n.in[static_cast<std::size_t>(k)] = detail::copy_node(g, n.in[static_cast<std::size_t>(k)], n.scope);
        }
        g.nodes.push_back(n);
        to = g.size() - 1;
        break;
      case kind::reshape: {
        int x = build::reshape(g, n.in[0], n.shape);
        if (!to_panels[static_cast<std::size_t>(i)] && !addressable(x)) x = build::reshape(g, detail::copy_node(g, n.in[0], n.scope), n.shape);
        to = x;
        break;
      }
      case kind::scatter:
        for (int k = 0; k < n.inputs; ++k) in_memory(n, k, [](access const& a) {
          address all = coalesce(a.shape, a.stride, 0, a.shape.rank);
          return all.rank == 0 || (all.rank == 1 && all.stride[0] == 1);
        });
        g.nodes.push_back(n);
        to = g.size() - 1;
        break;
      case kind::replace:
        if (g[behind_reshapes(g, n.in[0])].what != kind::input) throw "rows can be replaced in a state only";
        for (int k = 1; k < 3; ++k) in_memory(n, k, [](access const&) { return true; });
        g.nodes.push_back(n);
        to = g.size() - 1;
        break;
      case kind::gather:
        in_memory(n, 0, [](access const&) { return true; });
        in_memory(n, 1, [](access const&) { return true; });
        g.nodes.push_back(n);
        to = g.size() - 1;
        break;
      case kind::contract:
        for (int k = 0; k < (in_panels(from[i].in[1]) ? 1 : 2); ++k) in_memory(n, k, [](access const& a) { return coalesce(a.shape, a.stride, 0, a.shape.rank - 2).rank <= 1; });
        g.nodes.push_back(n);
        to = g.size() - 1;
        break;
      case kind::attend: case kind::attend_backward:
        for (int k = 0; k < (n.what == kind::attend ? 3 : 6); ++k)
          in_memory(n, k, [](access const& a) { return a.shape.rank != 4 || a.shape.size[3] == 1 || a.stride.size[3] == 1; });
        g.nodes.push_back(n);
        to = g.size() - 1;
        break;
      case kind::part: case kind::stack: {  // of what lies in memory as a whole
        const int scope = n.what == kind::part ? g.scopes[static_cast<std::size_t>(n.scope)].parent : g[n.in[0]].scope;
        const int x = behind_reshapes(g, n.in[0]);
        const kind k = g[x].what;
        const bool whole = n.what == kind::part && (k == kind::input || k == kind::parameter || k == kind::final);
        if (!whole && (!detail::is_computed(k) || k == kind::concatenate || g[x].scope != scope)) n.in[0] = detail::copy_node(g, n.in[0], scope);
        g.nodes.push_back(n);
        to = g.size() - 1;
        break;
      }
      default:
        g.nodes.push_back(n);
        to = g.size() - 1;
    }
  }

  // A loop's next value and an output are written where they are wanted, so each is a node of its own.
  std::vector<int> claimed;
  auto own = [&](int x, int scope, bool gradient = false) {
    int source = behind_reshapes(g, x);
    bool taken = (!detail::is_computed(g[source].what) && !(gradient && sums_products(g, source))) || g[source].scope != scope || g[source].what == kind::result ||
                 g[source].what == kind::attend || g[source].what == kind::attend_backward || g[source].what == kind::concatenate;
    for (int c : claimed) taken = taken || c == source;
    for (int k = 0; k < g.size(); ++k)
      if (g[k].what == kind::concatenate)
        for (int j = 0; j < g[k].inputs; ++j) taken = taken || behind_reshapes(g, g[k].in[static_cast<std::size_t>(j)]) == source;
    if (taken) {
      x = detail::copy_node(g, x, scope);
      source = x;
    }
    claimed.push_back(source);
    return x;
  };
  for (int i = 0; i < from.size(); ++i)
    if (r.live[static_cast<std::size_t>(i)] && from[i].what == kind::carry) {
      int c = r.number[static_cast<std::size_t>(i)], next = r.number[static_cast<std::size_t>(from[i].in[1])];
      g[c].in[1] = own(next, g[c].scope);
      // The first value starts the variable's storage, so nobody else may want it later.
      int first = from[i].in[0], scope = g.scopes[static_cast<std::size_t>(g[c].scope)].parent;
      bool shared = uses[static_cast<std::size_t>(first)] != 1 || is_reshape(from, first);
      g[c].in[0] = shared ? detail::copy_node(g, r.number[static_cast<std::size_t>(first)], scope) : own(r.number[static_cast<std::size_t>(first)], scope);
    }
  for (auto& p : g.parameters) p.node = r.number[static_cast<std::size_t>(p.node)];
  for (auto& p : g.inputs) p.node = r.number[static_cast<std::size_t>(p.node)];
  for (auto o : from.outputs) {
    int x = r.number[static_cast<std::size_t>(o.node)];
    // A parameter's gradient and a state are the caller's per iteration where they belong to a loop.
    bool stacked = o.what == role::value || (o.what == role::parameter_gradient && g[g.parameters[static_cast<std::size_t>(o.number)].node].scope != 0);
    o.node = own(x, stacked ? g[x].scope : 0, o.what == role::parameter_gradient);
    g.outputs.push_back(o);
  }
  g.scope = 0;
  return g;
}

}  // namespace formwork
