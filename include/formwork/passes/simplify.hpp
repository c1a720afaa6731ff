// simplify: constants folded, neutral elements removed, views and casts composed, equal nodes shared, dead nodes dropped.
// Algebra that changes rounding beyond reassociating constants is left alone; x * 0 is 0 for every finite x.
#pragma once

#include "../ops/add.hpp"
#include "../ops/divide.hpp"
#include "../ops/multiply.hpp"
#include "../ops/negate.hpp"
#include "../ops/stop_gradient.hpp"
#include "../ops/subtract.hpp"
#include "access.hpp"
#include "rewrite.hpp"

namespace formwork {

namespace detail {

constexpr bool is_arithmetic_op(const op_info* op) {
  return op == op_of<ops::add>() || op == op_of<ops::subtract>() || op == op_of<ops::multiply>() ||
         op == op_of<ops::divide>() || op == op_of<ops::negate>();
}

constexpr int simplify_map(graph& g, node n) {
  const int *x = n.in.data();
  int arity = n.inputs;
  auto constant = [&](double c) { return build::broadcast(g, build::constant(g, c, n.type), n.shape); };
  if (n.attribute[0] == 1 && g[x[0]].scope != n.scope) return g.push(n);
  if (n.op == op_of<ops::stop_gradient>()) return x[0];

  constant_value c[max_operands];
  bool all = true;
  for (int k = 0; k < arity; ++k) {
    c[k] = constant_of(g, x[k]);
    all = all && c[k].known;
  }
  if (all && is_arithmetic_op(n.op)) {
    double v[max_operands]{c[0].number, c[1].number};
    if (n.op != op_of<ops::divide>() || v[1] != 0) {
      double y = n.op->evaluate(v);
      return constant(is_floating(n.type) ? y : static_cast<double>(static_cast<long>(y)));  // integers round towards 0
    }
  }
  if (n.op == op_of<ops::add>()) {
    for (int k = 0; k < 2; ++k)  // rows are added into what is there
      if (g[x[k]].what == kind::scatter && g[x[k]].in[0] < 0 && g[x[k]].scope == n.scope) {
        node s = g[x[k]];
        s.in[0] = x[1 - k];
        return g.push(s);
      }
    if (c[0].known && c[0].number == 0) return x[1];
    if (c[1].known && c[1].number == 0) return x[0];
  }
  if (n.op == op_of<ops::subtract>()) {
    if (c[1].known && c[1].number == 0) return x[0];
    if (c[0].known && c[0].number == 0) return simplify_map(g, [&] {
      node m = n;
      m.op = op_of<ops::negate>();
      m.inputs = 1;
      m.in[0] = n.in[1];
      m.in[1] = -1;
      return m;
    }());
  }
  if (n.op == op_of<ops::multiply>()) {
    for (int k = 0; k < 2; ++k) {
      if (!c[k].known) continue;
      int other = x[1 - k];
      if (c[k].number == 1) return other;
      if (c[k].number == 0) return constant(0);
      node const& m = g[other];
      if (m.what == kind::map && m.op == n.op)
        for (int j = 0; j < 2; ++j) {
          constant_value d = constant_of(g, m.in[static_cast<std::size_t>(j)]);
          if (!d.known) continue;
          node p = n;
          p.in[0] = m.in[static_cast<std::size_t>(1 - j)];
          p.in[1] = constant(c[k].number * d.number);
          return simplify_map(g, p);
        }
    }
  }
  if (n.op == op_of<ops::divide>()) {
    if (c[1].known && c[1].number == 1) return x[0];
    if (c[0].known && c[0].number == 0) return constant(0);
  }
  if (n.op == op_of<ops::negate>() && g[x[0]].what == kind::map && g[x[0]].op == n.op) return g[x[0]].in[0];

  // What repeats along axes is computed once: f(broadcast a, broadcast b) = broadcast f(a, b).
  dims small;
  bool sink = true, found = false;
  for (int k = 0; k < arity && sink; ++k) {
    if (c[k].known) continue;
    sink = g[x[k]].what == kind::broadcast;
    if (sink) {
      dims from = g[g[x[k]].in[0]].shape;
      sink = !found || small == from;
      small = from;
      found = true;
    }
  }
  if (sink && !all && small.elements() < n.shape.elements()) {
    node m = n;
    m.shape = small;
    for (int k = 0; k < arity; ++k)
      m.in[static_cast<std::size_t>(k)] =
          c[k].known ? build::broadcast(g, build::constant(g, c[k].number, g[x[k]].type), small) : g[x[k]].in[0];
    return build::broadcast(g, simplify_map(g, m), n.shape);
  }
  return g.push(n);
}

// `alone`: nobody else reads the node's first operand.
constexpr int simplify_node(graph& g, node n, bool alone) {
  switch (n.what) {
    case kind::map: return simplify_map(g, n);
    case kind::cast: {  // what a wider type holds exactly is rounded once
      node const& m = g[n.in[0]];
      const bool exact = m.what == kind::cast && holds_all_of(m.type, g[m.in[0]].type);
      return build::cast(g, exact ? m.in[0] : n.in[0], n.type);
    }
    case kind::broadcast: {
      int x = n.in[0];
      if (g[x].shape == n.shape) return x;
      if (g[x].what == kind::broadcast && formwork::broadcast(g[g[x].in[0]].shape, n.shape) == n.shape) x = g[x].in[0];
      return build::broadcast(g, x, n.shape);
    }
    case kind::reshape: {
      constant_value c = constant_of(g, n.in[0]);
      if (c.known) return build::broadcast(g, build::constant(g, c.number, n.type), n.shape);
      return build::reshape(g, n.in[0], n.shape);
    }
    case kind::transpose: {
      constant_value c = constant_of(g, n.in[0]);
      if (c.known) return build::broadcast(g, build::constant(g, c.number, n.type), n.shape);
      node const& m = g[n.in[0]];
      int r = n.shape.rank;
      if (alone && m.what == kind::contract && n.attribute[static_cast<std::size_t>(r - 1)] == r - 2) {  // (A B)' = B' A'
        bool last_two = true;
        for (int i = 0; i < r - 2; ++i) last_two = last_two && n.attribute[static_cast<std::size_t>(i)] == i;
        int a = m.in[0], b = m.in[1];
        if (last_two) return build::contract(g, build::matrix_transpose(g, b), build::matrix_transpose(g, a));
      }
      std::array<int, 6> p = n.attribute;
      return build::transpose(g, n.in[0], p);
    }
    case kind::slice: {
      constant_value c = constant_of(g, n.in[0]);
      if (c.known) return build::broadcast(g, build::constant(g, c.number, n.type), n.shape);
      return build::slice(g, n.in[0], n.attribute, n.shape);
    }
    case kind::sum: {
      constant_value c = constant_of(g, n.in[0]);
      if (c.known)
        return build::broadcast(g, build::constant(g, c.number * static_cast<double>(g[n.in[0]].shape.elements() / n.shape.elements()), n.type), n.shape);
      return build::reduce(g, kind::sum, n.in[0], n.attribute[0]);
    }
    case kind::maximum: {
      constant_value c = constant_of(g, n.in[0]);
      if (c.known) return build::broadcast(g, build::constant(g, c.number, n.type), n.shape);
      return build::reduce(g, kind::maximum, n.in[0], n.attribute[0]);
    }
    default:
      if (is_pinned(n.what)) {
        g.nodes.push_back(n);
        return g.size() - 1;
      }
      // A coordinate or table element of a score's body stays in that body.
      if (g.scopes[static_cast<std::size_t>(n.scope)].what == scope_kind::score) return g.push_unique(n);
      return g.push(n);
  }
}

}  // namespace detail

// Before a differentiation, stop_gradient still has a meaning and stays; afterwards it goes.
enum class stop_gradients { keep, remove };

constexpr graph simplify(graph const& g, stop_gradients stops = stop_gradients::remove) {
  rewrite r(g);
  std::vector<int> readers(g.nodes.size(), 0);
  for (int i = 0; i < g.size(); ++i)
    if (r.live[static_cast<std::size_t>(i)])
      for (int k = 0; k < g[i].inputs; ++k)
        if (g[i].in[static_cast<std::size_t>(k)] >= 0) ++readers[static_cast<std::size_t>(g[i].in[static_cast<std::size_t>(k)])];
  for (auto const& o : g.outputs) ++readers[static_cast<std::size_t>(o.node)];
  return without_dead_nodes(r.run([&](node n, int i) {
    if (n.what == kind::map && n.op == op_of<ops::stop_gradient>() && stops == stop_gradients::keep) return r.to.push(n);
    int x = g[i].in[0];
    return detail::simplify_node(r.to, n, x < 0 || readers[static_cast<std::size_t>(x)] == 1);
  }));
}

}  // namespace formwork
