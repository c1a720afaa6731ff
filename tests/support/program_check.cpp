#include "program_check.hpp"

#include <stdexcept>

namespace formwork::testing {

std::vector<long> loop_counts(graph const& g, int scope) {
  std::vector<long> counts;
  for (int s = scope; s != 0; s = g.scopes[static_cast<std::size_t>(s)].parent)
    if (g.scopes[static_cast<std::size_t>(s)].what == scope_kind::loop) counts.insert(counts.begin(), g.scopes[static_cast<std::size_t>(s)].count);
  return counts;
}
long iterations(graph const& g, int scope) {
  long n = 1;
  for (long c : loop_counts(g, scope)) n *= c;
  return n;
}

namespace {

bool is_score_scope(graph const& g, int s) { return g.scopes[static_cast<std::size_t>(s)].what == scope_kind::score; }

// Whether the node may read operand number k, by where both stand.
bool may_read(graph const& g, node const& n, int k) {
  node const& x = g[n.in[static_cast<std::size_t>(k)]];
  if (n.what == kind::final) return x.what == kind::carry && g.scopes[static_cast<std::size_t>(x.scope)].parent == n.scope;
  if (n.what == kind::stack) return !is_score_scope(g, x.scope) && x.scope != 0 && g.scopes[static_cast<std::size_t>(x.scope)].parent == n.scope;
  if (n.what == kind::part) return n.scope != 0 && !is_score_scope(g, n.scope) && g.encloses(x.scope, g.scopes[static_cast<std::size_t>(n.scope)].parent);
  bool reads_body = (n.what == kind::attend && k >= 3) || (n.what == kind::attend_backward && k >= 6);
  if (reads_body && x.scope == n.attribute[0]) return g.scopes[static_cast<std::size_t>(x.scope)].parent == n.scope;
  // A loop's variable reads its first value before the loop.
  int from = n.what == kind::carry && k == 0 ? g.scopes[static_cast<std::size_t>(n.scope)].parent : n.scope;
  if (g.encloses(x.scope, from)) return true;
  if (is_score_scope(g, x.scope)) return false;
  // The same iteration of a loop that has finished.
  std::vector<long> mine = loop_counts(g, from), other = loop_counts(g, x.scope);
  if (other.size() > mine.size()) return false;
  mine.resize(other.size());
  return mine == other;
}

bool reduced(dims const& from, dims const& to, int axes) {
  if (from.rank != to.rank) return false;
  for (int a = 0; a < from.rank; ++a)
    if (to.size[a] != (axes >> a & 1 ? 1 : from.size[a])) return false;
  return axes >= 0 && axes < 1 << from.rank;
}

bool inside(dims const& part, dims const& whole, std::array<int, 6> const& first) {
  if (part.rank != whole.rank) return false;
  for (int a = 0; a < part.rank; ++a) {
    long f = first[static_cast<std::size_t>(a)];
    if (f < 0 || f + part.size[a] > whole.size[a]) return false;
  }
  return true;
}

bool joined(graph const& g, node const& n) {
  int axis = n.attribute[0];
  long total = 0;
  for (int k = 0; k < n.inputs; ++k) {
    dims part = g[n.in[static_cast<std::size_t>(k)]].shape;
    if (part.rank != n.shape.rank || axis < 0 || axis >= part.rank) return false;
    total += part.size[axis];
    part.size[axis] = n.shape.size[axis];
    if (!(part == n.shape)) return false;
  }
  return n.inputs >= 2 && total == n.shape.size[axis];
}

bool permuted(dims const& from, dims const& to, std::array<int, 6> const& p) {
  if (from.rank != to.rank) return false;
  int seen = 0;
  for (int a = 0; a < to.rank; ++a) {
    int b = p[static_cast<std::size_t>(a)];
    if (b < 0 || b >= from.rank || from.size[b] != to.size[a]) return false;
    seen |= 1 << b;
  }
  return seen == (1 << to.rank) - 1;
}

bool product(dims const& a, dims const& b, dims const& c) {
  if (a.rank < 2 || a.rank != b.rank || c.rank != a.rank) return false;
  for (int i = 0; i < a.rank - 2; ++i)
    if (a.size[i] != b.size[i] || a.size[i] != c.size[i]) return false;
  return a[-1] == b[-2] && c[-2] == a[-2] && c[-1] == b[-1];
}

// Rows of a table of shape (R, C...) at indices (I...): (I..., C...).
bool rows(dims const& table, dims const& indices, dims const& result) {
  dims r = indices;
  if (table.rank < 1 || indices.rank + table.rank - 1 > max_rank) return false;
  for (int a = 1; a < table.rank; ++a) r.push_back(table.size[a]);
  return r == result;
}

bool attention(graph const& g, node const& n) {
  dims q = g[n.in[0]].shape, k = g[n.in[1]].shape, v = g[n.in[2]].shape;
  return q.rank == 4 && k.rank == 4 && k == v && q[0] == k[0] && q[3] == k[3] && q[2] % k[2] == 0 && n.shape == q && g[n.in[0]].type == g[n.in[1]].type && g[n.in[0]].type == g[n.in[2]].type &&
         is_score_scope(g, n.attribute[0]);
}

// Values that are computed in f32 may be kept in fewer bits.
bool alike(dtype a, dtype b) {
  auto stored = [](dtype t) { return t == dtype::f32 || t == dtype::bf16 || t == dtype::f16; };
  return a == b || (stored(a) && stored(b));
}

bool good_map(graph const& g, node const& n) {
  if (!n.op || n.inputs != n.op->arity) return false;
  for (int k = 0; k < n.inputs; ++k) {
    node const& x = g[n.in[static_cast<std::size_t>(k)]];
    if (!(x.shape == n.shape) || (k > 0 && k + 1 < n.inputs && !alike(x.type, g[n.in[static_cast<std::size_t>(k + 1)]].type))) return false;
  }
  dtype last = g[n.in[static_cast<std::size_t>(n.inputs - 1)]].type, first = g[n.in[0]].type;
  return alike(n.type, n.op->has_result_type ? n.op->result : last) && (alike(first, last) || (n.inputs == 3 && first == dtype::boolean));
}

// One of a shape for each iteration of a loop.
dims stacked(graph const& g, int loop, dims const& shape) {
  dims d{g.scopes[static_cast<std::size_t>(loop)].count};
  for (int a = 0; a < shape.rank; ++a) d.push_back(shape.size[a]);
  return d;
}

bool good_shape(graph const& g, node const& n) {
  auto x = [&](int k) -> node const& { return g[n.in[static_cast<std::size_t>(k)]]; };
  bool integers = n.inputs > 1 && n.in[1] >= 0 && x(1).type == dtype::i32;
  switch (n.what) {
    case kind::input: return n.shape == g.inputs[static_cast<std::size_t>(n.attribute[0])].shape;
    case kind::parameter:
      return n.shape == g.parameters[static_cast<std::size_t>(n.attribute[0])].shape &&
             iterations(g, n.scope) == g.parameters[static_cast<std::size_t>(n.attribute[0])].copies;
    case kind::constant: return n.shape.rank == 0;
    case kind::index: return is_score_scope(g, n.scope) ? n.shape.rank == 0 && n.attribute[0] < 4 : n.attribute[0] < n.shape.rank;
    case kind::random: return n.attribute[0] < g.streams && (n.shape.rank == 0 || !is_score_scope(g, n.scope));
    case kind::map: return good_map(g, n);
    case kind::cast: return n.shape == x(0).shape;
    case kind::broadcast: return broadcast(x(0).shape, n.shape) == n.shape;
    case kind::transpose: return permuted(x(0).shape, n.shape, n.attribute);
    case kind::reshape: return n.shape.elements() == x(0).shape.elements();
    case kind::slice: return inside(n.shape, x(0).shape, n.attribute);
    case kind::pad: return inside(x(0).shape, n.shape, n.attribute);
    case kind::concatenate: return joined(g, n);
    case kind::sum: case kind::maximum: return reduced(x(0).shape, n.shape, n.attribute[0]);
    case kind::contract: return product(x(0).shape, x(1).shape, n.shape) && x(0).type == x(1).type;
    case kind::gather: return rows(x(0).shape, x(1).shape, n.shape) && integers;
    case kind::scatter: return rows(n.shape, x(1).shape, x(2).shape) && integers && (n.in[0] < 0 || x(0).shape == n.shape);
    case kind::replace: return rows(n.shape, x(1).shape, x(2).shape) && integers && x(0).shape == n.shape;
    case kind::lookup: return n.inputs == 1 + x(0).shape.rank && n.shape.rank == 0 && is_score_scope(g, n.scope);
    case kind::lookup_gradient: return x(0).what == kind::lookup && (n.in[2] < 0 || x(2).what == kind::lookup_gradient);
    case kind::attend: return attention(g, n);
    case kind::attend_backward:
      return attention(g, n) && x(3).shape == n.shape && x(5).shape == n.shape && x(4).shape == dims{n.shape[0], n.shape[2], n.shape[1]};
    case kind::result: return x(0).what == kind::attend || x(0).what == kind::attend_backward;
    case kind::score: case kind::score_gradient: return is_score_scope(g, n.scope) && n.shape.rank == 0;
    case kind::weigh: return is_score_scope(g, n.scope) && n.shape.rank == 0 && x(0).shape.rank == 0 && x(1).shape.rank == 0 && is_floating(x(1).type) && n.type == x(0).type;
    case kind::carry: return n.scope != 0 && n.in[0] >= 0 && n.in[1] >= 0 && x(0).shape == n.shape && x(1).shape == n.shape && x(0).type == n.type && x(1).type == n.type;
    case kind::final: return x(0).shape == n.shape;
    case kind::part: return stacked(g, n.scope, n.shape) == x(0).shape && n.type == x(0).type;
    case kind::stack: return stacked(g, x(0).scope, x(0).shape) == n.shape && n.type == x(0).type;
  }
  return false;
}

}  // namespace

std::string problem_of(graph const& g) {
  std::vector<int> finished(g.scopes.size(), g.size());  // where a loop's first final stands
  for (int i = g.size() - 1; i >= 0; --i)
    if (int c = g[i].in[0]; (g[i].what == kind::final || g[i].what == kind::stack) && c >= 0 && c < g.size()) finished[static_cast<std::size_t>(g[c].scope)] = i;
  for (int i = 0; i < g.size(); ++i) {
    node const& n = g[i];
    auto problem = [&](std::string const& text) { return "%" + std::to_string(i) + " (" + std::string(name_of(n.what)) + ") " + text; };
    for (int k = 0; k < n.inputs; ++k) {
      int x = n.in[static_cast<std::size_t>(k)];
      bool next = n.what == kind::carry && k == 1;
      if (x < 0 && !next) {
        bool optional = (n.what == kind::scatter && k == 0) || (n.what == kind::attend && k == 4) ||
                        (n.what == kind::attend_backward && k >= 8) || (n.what == kind::lookup_gradient && k == 2);
        if (!optional) return problem("lacks operand " + std::to_string(k));
        continue;
      }
      if (x < 0 || x >= g.size()) return problem("has an operand that is not in the program");
      if (x >= i && !next) return problem("stands before its operand %" + std::to_string(x));
      if (next && x >= finished[static_cast<std::size_t>(n.scope)]) return problem("has a next value that stands after the loop");
      if (!may_read(g, n, k)) return problem("cannot read %" + std::to_string(x) + " from where it stands");
    }
    if (i > finished[static_cast<std::size_t>(n.scope)] && n.what != kind::result) return problem("stands in a loop that has finished");
    if (!good_shape(g, n)) return problem("has a shape or type that its operands do not give");
  }
  for (auto const& o : g.outputs) {
    if (o.node < 0 || o.node >= g.size()) return "output " + std::string(o.name.view()) + " is not in the program";
    bool parameter = o.what == role::parameter_gradient;
    if (o.what == role::input_gradient && g[o.node].scope != 0) return "output " + std::string(o.name.view()) + " stands in a loop";
    if (parameter && !(g[o.node].shape == g.parameters[static_cast<std::size_t>(o.number)].shape &&
                       iterations(g, g[o.node].scope) == g.parameters[static_cast<std::size_t>(o.number)].copies))
      return "the gradient of " + std::string(o.name.view()) + " has another shape than the parameter";
  }
  return {};
}

void require_good_program(graph const& g) {
  if (std::string p = problem_of(g); !p.empty()) throw std::runtime_error(p);
}

}  // namespace formwork::testing
