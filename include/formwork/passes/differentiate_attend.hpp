// The derived backward of an attention: its score's body is copied, continued by the adjoint of every node in it, and
// becomes the body of an attend_backward.
#pragma once

#include "adjoint.hpp"

namespace formwork::detail {

struct table_adjoint { int table, adjoint; };
struct attend_adjoints {
  int operand[3]{-1, -1, -1};  // dq, dk, dv
  std::vector<table_adjoint> tables;
};

// The copy of one body node and what it needs, in the current scope. A scalar from outside is read by a lookup, so
// that its gradient is found the same way as a table's.
constexpr int copy_body(graph& g, int id, int from, std::vector<int>& number) {
  if (id < 0) return -1;
  if (g[id].scope != from) return g[id].what == kind::constant ? id : build::lookup(g, id, nullptr, g.scope);
  int& to = number[static_cast<std::size_t>(id)];
  if (to >= 0) return to;
  node n = g[id];
  for (int k = 0; k < n.inputs; ++k) {
    bool table = n.what == kind::lookup && k == 0;
    int& x = n.in[static_cast<std::size_t>(k)];
    if (!table) x = copy_body(g, x, from, number);
  }
  n.scope = static_cast<std::int16_t>(g.scope);
  return number[static_cast<std::size_t>(id)] = g.push_unique(n);
}

constexpr attend_adjoints differentiate_attend(graph& g, int i, int dout, std::vector<char> const& active) {
  node n = g[i];
  int body = n.attribute[0], lse = build::result(g, i, 1, dims{n.shape[0], n.shape[2], n.shape[1]}, accumulation_of(n.type));
  int scope = g.begin_score();
  std::vector<int> number(static_cast<std::size_t>(g.size()), -1);
  int first = g.size();
  node seed{.what = kind::score_gradient, .type = n.type};
  int dz = g.push_here(seed);
  const finished_score forward = finished_score_of(g, n.in[3]);
  if (forward.factor >= 0 && active[static_cast<std::size_t>(forward.factor)])
    throw "the weight of an attention's probabilities is a constant to the differentiation: put stop_gradient around what it reads";
  int z = copy_body(g, forward.score, body, number), factor = copy_body(g, forward.factor, body, number), mask = copy_body(g, n.in[4], body, number);
  int last = g.size();

  adjoint_table adjoint(last);
  adjoint.add(z, dz);
  int s = -1, ds = -1, chain = -1;
  std::vector<int> tables;
  for (int k = last - 1; k >= first; --k) {
    node m = g[k];
    if (m.what == kind::score) s = k;
    if (!is_floating(m.type) || m.scope != scope || m.what == kind::score_gradient) continue;
    int d = adjoint.total(g, k);
    if (d < 0) continue;
    if (m.what == kind::score) ds = d;
    if (m.what == kind::lookup && static_cast<std::size_t>(m.in[0]) < active.size() && active[static_cast<std::size_t>(m.in[0])]) {
      node share{.what = kind::lookup_gradient, .type = m.type, .inputs = 3};
      share.in[0] = k;
      share.in[1] = d;
      share.in[2] = chain;
      chain = g.push_here(share);
      tables.push_back(m.in[0]);
    }
    if (!is_elementwise(m.what)) continue;
    int dx[10]{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    operand_adjoints(g, m, k, d, dx);
    for (int j = 0; j < m.inputs; ++j) {
      int x = m.in[static_cast<std::size_t>(j)];
      if (dx[j] >= 0 && x < last && g[x].scope == scope) adjoint.add(x, dx[j]);
    }
  }
  if (s < 0) throw "the score of an attention must depend on the product of query and key";
  const int score = factor < 0 ? z : build::weigh(g, z, factor);
  g.end_scope();

  node back{.what = kind::attend_backward, .type = n.type, .inputs = 10, .shape = n.shape};
  int operands[] = {n.in[0], n.in[1], n.in[2], i, lse, dout, score, ds, mask, chain};
  for (int k = 0; k < 10; ++k) back.in[static_cast<std::size_t>(k)] = operands[k];
  back.attribute[0] = scope;
  int b = g.push_here(back);
  attend_adjoints r;
  r.operand[0] = b;
  r.operand[1] = build::result(g, b, 1, g[n.in[1]].shape, n.type);
  r.operand[2] = build::result(g, b, 2, g[n.in[2]].shape, n.type);
  // The chain's head is the last lookup found: results are numbered along the chain.
  for (std::size_t k = 0; k < tables.size(); ++k) {
    int table = tables[tables.size() - 1 - k];
    r.tables.push_back({table, build::result(g, b, 3 + static_cast<int>(k), g[table].shape, n.type)});
  }
  return r;
}

}  // namespace formwork::detail
