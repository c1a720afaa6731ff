// cost: what a program takes, known before it runs: parameters, floating-point operations, bytes, kernels. Usable in
// a static_assert. A multiply-add counts as 2 operations, an elementwise op as its own `flops`, and every iteration of
// a loop counts. Attention counts the pairs of query and key that its mask lets through, as far as the mask is made
// of comparisons of linear terms in the two positions (causal, window, prefix); any other condition counts as true.
#pragma once

#include "../ops/add.hpp"
#include "../ops/exp.hpp"
#include "../ops/greater.hpp"
#include "../ops/greater_equal.hpp"
#include "../ops/less.hpp"
#include "../ops/less_equal.hpp"
#include "../ops/logical_and.hpp"
#include "../ops/negate.hpp"
#include "../ops/stop_gradient.hpp"
#include "../ops/subtract.hpp"
#include "plan.hpp"

namespace formwork {

struct program_cost {
  long parameters = 0;       // elements
  long flops = 0;            // of one execution
  long bytes_moved = 0;      // if every kernel reads each operand once and writes each result once
  long workspace_bytes = 0;
  long peak_bytes = 0;       // workspace, parameter and gradient arenas, inputs, values returned
  int kernels = 0;
  long launches = 0;         // every iteration of every loop counted
};

namespace detail {

// query q + key k + c
struct linear_position {
  bool known = true;
  long query = 0, key = 0, constant = 0;
};

constexpr linear_position linear_of(graph const& g, int x) {
  node const& n = g[x];
  if (is_view(n.what)) return linear_of(g, n.in[0]);
  if (n.what == kind::constant) return {true, 0, 0, static_cast<long>(n.number)};
  if (n.what == kind::index && n.attribute[0] >= 2) return {true, n.attribute[0] == 2, n.attribute[0] == 3, 0};
  if (n.what != kind::map || is_floating(n.type)) return {.known = false};
  if (n.op == op_of<ops::negate>()) {
    linear_position a = linear_of(g, n.in[0]);
    return {a.known, -a.query, -a.key, -a.constant};
  }
  if (n.op != op_of<ops::add>() && n.op != op_of<ops::subtract>()) return {.known = false};
  linear_position a = linear_of(g, n.in[0]), b = linear_of(g, n.in[1]);
  long s = n.op == op_of<ops::add>() ? 1 : -1;
  return {a.known && b.known, a.query + s * b.query, a.key + s * b.key, a.constant + s * b.constant};
}

// The conditions `query q + key k + c <= 0` that a mask is the conjunction of, as far as they have this form.
constexpr void conditions_of(graph const& g, int x, std::vector<linear_position>& found) {
  node const& n = g[x];
  if (n.what != kind::map) return;
  if (n.op == op_of<ops::logical_and>()) {
    conditions_of(g, n.in[0], found);
    conditions_of(g, n.in[1], found);
    return;
  }
  bool less = n.op == op_of<ops::less>(), less_equal = n.op == op_of<ops::less_equal>();
  bool greater = n.op == op_of<ops::greater>(), greater_equal = n.op == op_of<ops::greater_equal>();
  if (!less && !less_equal && !greater && !greater_equal) return;
  bool swapped = greater || greater_equal;
  linear_position a = linear_of(g, n.in[swapped ? 1 : 0]), b = linear_of(g, n.in[swapped ? 0 : 1]);
  if (!a.known || !b.known) return;
  linear_position c{true, a.query - b.query, a.key - b.key, a.constant - b.constant + (less || greater ? 1 : 0)};
  if (c.key >= -1 && c.key <= 1) found.push_back(c);
}

// Pairs (query, key) of one head that the mask (-1: none) lets through.
constexpr long visible_pairs(graph const& g, int mask, long queries, long keys) {
  std::vector<linear_position> conditions;
  if (mask >= 0) conditions_of(g, mask, conditions);
  if (conditions.empty()) return queries * keys;
  long pairs = 0;
  for (long q = 0; q < queries; ++q) {
    long begin = 0, end = keys;
    for (auto const& c : conditions) {
      long rest = c.query * q + c.constant;  // key k + rest <= 0
      if (c.key == 1) end = 1 - rest < end ? 1 - rest : end;
      else if (c.key == -1) begin = rest > begin ? rest : begin;
      else if (rest > 0) end = 0;
    }
    pairs += end > begin ? end - begin : 0;
  }
  return pairs;
}

constexpr long attend_flops(graph const& g, node const& n) {
  bool backward = n.what == kind::attend_backward;
  dims q = g[n.in[0]].shape, k = g[n.in[1]].shape;
  long pairs = q[0] * q[2] * visible_pairs(g, n.in[backward ? 8 : 4], q[1], k[1]);
  // Forward: q k' and p v; exp, the subtraction of the maximum, the sum. Backward: q k' again, dp, dq, dk, dv; exp and
  // ds = p (dp - delta).
  long per_pair = (backward ? 10 : 4) * q[3] + op_of<ops::exp>()->flops + 2 + (backward ? 1 : 0);
  for (node const& m : g.nodes) {
    if (m.scope != n.attribute[0]) continue;
    if (m.what == kind::map && is_floating(m.type)) per_pair += m.op->flops;
    if (m.what == kind::weigh) per_pair += backward ? 2 : 1;  // of p, and of dp
  }
  return pairs * per_pair;
}

}  // namespace detail

// Floating-point operations of one execution of a node.
constexpr long flops_of(graph const& g, int x) {
  node const& n = g[x];
  switch (n.what) {
    case kind::map: return n.op == op_of<ops::stop_gradient>() ? 0 : n.op->flops * n.shape.elements();  // a copy
    case kind::sum: case kind::maximum: return g[n.in[0]].shape.elements();
    case kind::contract: return 2 * n.shape.elements() * g[n.in[0]].shape[-1];
    case kind::scatter: return g[n.in[2]].shape.elements();
    case kind::attend: case kind::attend_backward: return detail::attend_flops(g, n);
    default: return 0;
  }
}

// How often the nodes of a scope are executed.
constexpr long iterations_of(graph const& g, int scope) {
  long n = 1;
  for (; scope != 0; scope = g.scopes[static_cast<std::size_t>(scope)].parent) n *= g.scopes[static_cast<std::size_t>(scope)].count;
  return n;
}

// Floating-point operations of one execution of a program as it is written: forward only, or with gradients.
constexpr long flops_of(graph const& g) {
  std::vector<char> live = live_nodes(g);
  long sum = 0;
  for (int i = 0; i < g.size(); ++i)
    if (live[static_cast<std::size_t>(i)] && g.scopes[static_cast<std::size_t>(g[i].scope)].what != scope_kind::score)
      sum += flops_of(g, i) * iterations_of(g, g[i].scope);
  return sum;
}

constexpr long parameters_of(graph const& g) {
  long sum = 0;
  for (auto const& p : g.parameters) sum += p.elements();
  return sum;
}

namespace detail {

constexpr long bytes_of(graph const& g, int x) { return g[x].shape.elements() * static_cast<long>(size_of(g[x].type)); }

// Of a table only the rows that are asked for are read; rows are added into a sum, and replaced in a state, in place.
constexpr long bytes_moved(fusion const& f, int k) {
  graph const& g = f.g;
  group const& K = f.groups[static_cast<std::size_t>(k)];
  long bytes = 0;
  for (int x : f.reads[static_cast<std::size_t>(k)]) {
    if (g[x].what == kind::concatenate) continue;  // its parts count
    long most = bytes_of(g, x);
    bool replaced = false;
    for (int m : K.members) {
      replaced = replaced || (g[m].what == kind::replace && storage_behind(g, g[m].in[0]) == x);
      if (g[m].what == kind::gather && storage_behind(g, g[m].in[0]) == x && bytes_of(g, m) < most) most = bytes_of(g, m);
      if (g[m].what == kind::scatter && g[m].in[0] >= 0 && storage_behind(g, g[m].in[0]) == x && bytes_of(g, g[m].in[2]) < most) most = bytes_of(g, g[m].in[2]);
    }
    if (!replaced) bytes += most;
  }
  for (int m : K.members) {
    if (!f.stored[static_cast<std::size_t>(m)] || f.owner[static_cast<std::size_t>(m)] != k) continue;
    long most = bytes_of(g, g[m].what == kind::replace ? g[m].in[2] : m);
    if (g[m].what == kind::scatter && g[m].in[0] >= 0 && bytes_of(g, g[m].in[2]) < most) most = bytes_of(g, g[m].in[2]);
    bytes += most;
  }
  return bytes;
}

}  // namespace detail

// The cost of a program as its kernels execute it: what a kernel computes again counts again.
constexpr program_cost cost(fusion const& f, memory_plan const& m) {
  graph const& g = f.g;
  program_cost c;
  c.parameters = parameters_of(g);
  c.workspace_bytes = m.workspace_bytes;
  for (int k : f.order) {
    group const& K = f.groups[static_cast<std::size_t>(k)];
    long n = iterations_of(g, K.scope), flops = 0;
    for (int x : all_members(f, K)) flops += flops_of(g, x);
    c.flops += n * flops;
    c.bytes_moved += n * detail::bytes_moved(f, k);
    c.launches += n;
    ++c.kernels;
  }
  bool gradients = false;
  c.peak_bytes = m.workspace_bytes;
  for (auto const& i : g.inputs) c.peak_bytes += i.shape.elements() * static_cast<long>(size_of(i.type));
  for (auto const& o : g.outputs) {
    if (o.what == role::parameter_gradient) gradients = true;
    else c.peak_bytes += detail::bytes_of(g, o.node);
  }
  long element = g.parameters.empty() ? 0 : static_cast<long>(size_of(g.parameters[0].type));
  c.peak_bytes += m.parameter_elements * element * (gradients ? 2 : 1);
  return c;
}

}  // namespace formwork
