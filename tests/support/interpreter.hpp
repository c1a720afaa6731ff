// The oracle: runs a program node by node on row-major f64 arrays, one plain loop per node, nothing fused, nothing
// shared with the kernels. Integers and booleans are doubles that hold integers.
//
//   interpreter run(g);                       // throws what check_program finds wrong with g
//   run.set_input(0, tokens);                 // set_parameter(number, values): a loop's parameter is [copies, shape]
//   run.run();
//   run.output(0);                            // what stands in a loop is [iterations, shape]
//
// interpreter(g, rounding::every_result) is the naive computation in the program's own element types: every node's
// result and every partial sum is rounded. Its distance from the f64 run is what a kernel's error is held against;
// interpreter(g, either_way(n)), for a few n, is a sample of what other roundings would give (see rounding_bound.hpp).
#pragma once

#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "program_check.hpp"
#include "random_counter.hpp"
#include "score_body.hpp"

namespace formwork::testing {

// The coordinates of a shape in row-major order; calls f(coordinates, offset).
template <class F> void for_each_index(dims const& shape, F const& f) {
  long at[max_rank]{}, n = shape.elements();
  for (long i = 0; i < n; ++i) {
    f(static_cast<long const*>(at), static_cast<std::size_t>(i));
    for (int a = shape.rank - 1; a >= 0; --a) {
      if (++at[a] < shape.size[a]) break;
      at[a] = 0;
    }
  }
}
inline std::size_t offset_of(long const* at, dims const& shape) {
  long where = 0;
  for (int a = 0; a < shape.rank; ++a) where = where * shape.size[a] + at[a];
  return static_cast<std::size_t>(where);
}

class interpreter {
 public:
  using tensor = std::vector<double>;

  explicit interpreter(graph program, rounding r = rounding::none)
      : g(std::move(program)), rounds(r), inputs(g.inputs.size()), parameters(g.parameters.size()) {
    require_good_program(g);
  }

  void set_input(int number, tensor x) {
    int node = g.inputs.at(static_cast<std::size_t>(number)).node;
    require_size(x, g[node].shape.elements() * iterations(g, g[node].scope), g.inputs[static_cast<std::size_t>(number)].name);
    inputs[static_cast<std::size_t>(number)] = std::move(x);
  }
  void set_parameter(int number, tensor x) {
    require_size(x, g.parameters.at(static_cast<std::size_t>(number)).elements(), g.parameters[static_cast<std::size_t>(number)].name);
    parameters[static_cast<std::size_t>(number)] = std::move(x);
  }
  void set_random(std::uint64_t seed, std::uint32_t step) { random_seed = seed; random_step = step; }

  // Computes every output.
  void run() {
    known.clear();
    results.clear();
    at.clear();
    outputs.clear();
    for (auto const& o : g.outputs) outputs.push_back(stacked(o.node));
  }

  std::size_t output_count() const { return outputs.size(); }
  tensor const& output(std::size_t number) const { return outputs.at(number); }
  tensor const& output(std::string_view name, role what = role::value) const {
    for (std::size_t k = 0; k < g.outputs.size(); ++k)
      if (g.outputs[k].what == what && g.outputs[k].name.view() == name) return outputs.at(k);
    throw std::runtime_error("the program has no output " + std::string(name));
  }
  // A node's value; for a node of a loop [iterations, shape].
  tensor stacked(int id) {
    long count = iterations(g, g[id].scope);
    std::vector<long> sizes = loop_counts(g, g[id].scope);
    tensor all;
    for (long i = 0; i < count; ++i) {
      at.assign(sizes.size(), 0);
      long rest = i;
      for (std::size_t d = sizes.size(); d-- > 0; rest /= sizes[d]) at[d] = rest % sizes[d];
      tensor const& x = get(id);
      all.insert(all.end(), x.begin(), x.end());
    }
    at.clear();
    return all;
  }

 private:
  using place = std::pair<int, long>;  // a node and the iteration of its loops
  graph g;
  rounding rounds;
  std::vector<tensor> inputs, parameters, outputs;
  std::uint64_t random_seed = 0;
  std::uint32_t random_step = 0;
  std::vector<long> at;                           // the iterations at hand, outermost first
  std::map<place, tensor> known;
  std::map<place, std::vector<tensor>> results;   // of attend and attend_backward

  static void require_size(tensor const& x, long n, name_text const& name) {
    if (static_cast<long>(x.size()) != n)
      throw std::runtime_error(std::string(name.view()) + " has " + std::to_string(n) + " elements, not " + std::to_string(x.size()));
  }
  double rounded(double x, dtype t) const { return round_to(x, t, rounds); }

  long iteration(int scope) const {
    std::vector<long> sizes = loop_counts(g, scope);
    long i = 0;
    for (std::size_t d = 0; d < sizes.size(); ++d) i = i * sizes[d] + at[d];
    return i;
  }

  // The value of a node at the iterations at hand, computed when first asked for.
  tensor const& get(int id) {
    std::size_t depth = loop_counts(g, g[id].scope).size();
    if (at.size() < depth) throw std::runtime_error("%" + std::to_string(id) + " stands in a loop and is read outside it");
    place p{id, iteration(g[id].scope)};
    if (auto found = known.find(p); found != known.end()) return found->second;
    std::vector<long> here = at;
    at.resize(depth);
    tensor x = compute(id);
    at = here;
    for (double& e : x) e = rounded(e, g[id].type);
    return known[p] = std::move(x);
  }
  tensor const& operand(node const& n, int k) { return get(n.in[static_cast<std::size_t>(k)]); }
  dims const& shape_of(node const& n, int k) const { return g[n.in[static_cast<std::size_t>(k)]].shape; }

  // The value of a loop variable's next value at iteration i of its loop.
  tensor next_value(node const& carry, long i) {
    at.push_back(i);
    tensor x = get(carry.in[1]);
    at.pop_back();
    return x;
  }

  tensor compute(int id) {
    node const n = g[id];
    tensor y(static_cast<std::size_t>(n.shape.elements()), 0.0);
    switch (n.what) {
      case kind::input: {
        tensor const& x = inputs[static_cast<std::size_t>(n.attribute[0])];
        if (x.empty()) throw std::runtime_error("input " + std::string(g.inputs[static_cast<std::size_t>(n.attribute[0])].name.view()) + " is not set");
        auto first = x.begin() + iteration(n.scope) * n.shape.elements();
        return tensor(first, first + n.shape.elements());
      }
      case kind::parameter: {
        tensor const& x = parameters[static_cast<std::size_t>(n.attribute[0])];
        if (x.empty()) throw std::runtime_error("parameter " + std::string(g.parameters[static_cast<std::size_t>(n.attribute[0])].name.view()) + " is not set");
        auto first = x.begin() + iteration(n.scope) * n.shape.elements();
        return tensor(first, first + n.shape.elements());
      }
      case kind::constant: return {n.number};
      case kind::index:
        for_each_index(n.shape, [&](long const* c, std::size_t i) { y[i] = static_cast<double>(c[n.attribute[0]]); });
        return y;
      case kind::random:
        for (std::size_t i = 0; i < y.size(); ++i)
          y[i] = random_counter({random_seed, random_step, static_cast<std::uint32_t>(n.attribute[0]), static_cast<std::uint32_t>(iteration(n.scope)), i});
        return y;
      case kind::map: {
        tensor const* x[max_operands]{};
        for (int k = 0; k < n.inputs; ++k) x[k] = &operand(n, k);
        for (std::size_t i = 0; i < y.size(); ++i) {
          double a[max_operands]{};
          for (int k = 0; k < n.inputs; ++k) a[k] = (*x[k])[i];
          y[i] = n.op->evaluate(a);
        }
        return y;
      }
      case kind::cast: case kind::reshape: return operand(n, 0);
      case kind::broadcast: {
        tensor const& x = operand(n, 0);
        dims from = shape_of(n, 0);
        for_each_index(n.shape, [&](long const* c, std::size_t i) {
          long d[max_rank]{};
          for (int a = 0; a < from.rank; ++a) d[a] = from.size[a] == 1 ? 0 : c[n.shape.rank - from.rank + a];
          y[i] = x[offset_of(d, from)];
        });
        return y;
      }
      case kind::transpose: {
        tensor const& x = operand(n, 0);
        for_each_index(n.shape, [&](long const* c, std::size_t i) {
          long d[max_rank]{};
          for (int a = 0; a < n.shape.rank; ++a) d[n.attribute[static_cast<std::size_t>(a)]] = c[a];
          y[i] = x[offset_of(d, shape_of(n, 0))];
        });
        return y;
      }
      case kind::slice: case kind::pad: {
        bool cut = n.what == kind::slice;
        tensor const& x = operand(n, 0);
        dims from = shape_of(n, 0);
        for_each_index(cut ? n.shape : from, [&](long const* c, std::size_t i) {
          long d[max_rank]{};
          for (int a = 0; a < n.shape.rank; ++a) d[a] = c[a] + n.attribute[static_cast<std::size_t>(a)];
          if (cut) y[i] = x[offset_of(d, from)];
          else y[offset_of(d, n.shape)] = x[i];
        });
        return y;
      }
      case kind::concatenate: {
        long first = 0;
        for (int k = 0; k < n.inputs; ++k) {
          tensor const& x = operand(n, k);
          for_each_index(shape_of(n, k), [&](long const* c, std::size_t i) {
            long d[max_rank]{};
            for (int a = 0; a < n.shape.rank; ++a) d[a] = c[a] + (a == n.attribute[0] ? first : 0);
            y[offset_of(d, n.shape)] = x[i];
          });
          first += shape_of(n, k).size[n.attribute[0]];
        }
        return y;
      }
      case kind::sum: case kind::maximum: {
        bool adds = n.what == kind::sum;
        tensor const& x = operand(n, 0);
        if (!adds) std::fill(y.begin(), y.end(), -std::numeric_limits<double>::infinity());
        for_each_index(shape_of(n, 0), [&](long const* c, std::size_t i) {
          long d[max_rank]{};
          for (int a = 0; a < n.shape.rank; ++a) d[a] = n.attribute[0] >> a & 1 ? 0 : c[a];
          double& t = y[offset_of(d, n.shape)];
          t = adds ? rounded(t + x[i], n.type) : x[i] > t || x[i] != x[i] ? x[i] : t;
        });
        return y;
      }
      case kind::contract: {
        tensor const &a = operand(n, 0), &b = operand(n, 1);
        long rows = n.shape[-2], columns = n.shape[-1], depth = shape_of(n, 0)[-1], batch = n.shape.elements() / (rows * columns);
        for (long p = 0; p < batch * rows; ++p)
          for (long c = 0; c < columns; ++c) {
            double t = 0;
            for (long k = 0; k < depth; ++k)
              t = rounded(t + a[static_cast<std::size_t>(p * depth + k)] * b[static_cast<std::size_t>((p / rows * depth + k) * columns + c)], n.type);
            y[static_cast<std::size_t>(p * columns + c)] = t;
          }
        return y;
      }
      case kind::gather: {
        tensor const &table = operand(n, 0), &rows = operand(n, 1);
        long width = n.shape.elements() / static_cast<long>(rows.size());
        for (std::size_t i = 0; i < y.size(); ++i)
          y[i] = table[static_cast<std::size_t>(row(rows[i / static_cast<std::size_t>(width)], shape_of(n, 0)) * width) + i % static_cast<std::size_t>(width)];
        return y;
      }
      case kind::scatter: {
        tensor const &rows = operand(n, 1), &updates = operand(n, 2);
        if (n.in[0] >= 0) y = operand(n, 0);
        std::size_t width = updates.size() / rows.size();
        for (std::size_t i = 0; i < updates.size(); ++i) {
          double& t = y[static_cast<std::size_t>(row(rows[i / width], n.shape)) * width + i % width];
          t = rounded(t + updates[i], n.type);
        }
        return y;
      }
      case kind::replace: {
        tensor const &rows = operand(n, 1), &others = operand(n, 2);
        y = operand(n, 0);
        const std::size_t width = others.size() / rows.size();
        for (std::size_t i = 0; i < others.size(); ++i)
          if (rows[i / width] >= 0 && rows[i / width] < static_cast<double>(n.shape[0])) y[static_cast<std::size_t>(rows[i / width]) * width + i % width] = others[i];
        return y;
      }
      case kind::attend: return attend(id, n);
      case kind::attend_backward: return attend_backward(id, n);
      case kind::result: {
        get(n.in[0]);
        return results.at({n.in[0], iteration(n.scope)}).at(static_cast<std::size_t>(n.attribute[0]));
      }
      case kind::carry: {
        scope_info const& loop = g.scopes[static_cast<std::size_t>(n.scope)];
        long i = at.back(), first = loop.reversed ? loop.count - 1 : 0;
        at.pop_back();
        tensor x = i == first ? operand(n, 0) : next_value(n, loop.reversed ? i + 1 : i - 1);
        at.push_back(i);
        return x;
      }
      case kind::final: {
        node const& carry = g[n.in[0]];
        scope_info const& loop = g.scopes[static_cast<std::size_t>(carry.scope)];
        return next_value(carry, loop.reversed ? 0 : loop.count - 1);
      }
      case kind::part: {
        const long i = at.back(), size = n.shape.elements();
        tensor const& x = operand(n, 0);
        return tensor(x.begin() + i * size, x.begin() + (i + 1) * size);
      }
      case kind::stack: {
        y.clear();
        for (long i = 0; i < n.shape.size[0]; ++i) {
          at.push_back(i);
          tensor const& x = operand(n, 0);
          y.insert(y.end(), x.begin(), x.end());
          at.pop_back();
        }
        return y;
      }
      case kind::lookup: case kind::lookup_gradient: case kind::score: case kind::score_gradient: case kind::weigh: break;
    }
    throw std::runtime_error(std::string(name_of(n.what)) + " outside a score's body");
  }

  static long row(double index, dims const& table) {
    if (!(index >= 0 && index < static_cast<double>(table.size[0])))
      throw std::runtime_error("row " + std::to_string(index) + " of a table of " + std::to_string(table.size[0]) + " rows");
    return static_cast<long>(index);
  }

  // Visits (batch, head, query) of a (B, T, H, D) query in the order of the log-sum-exp, (B, H, T).
  template <class F> static void for_each_query(dims const& q, F const& f) {
    for (long b = 0; b < q[0]; ++b)
      for (long h = 0; h < q[2]; ++h)
        for (long t = 0; t < q[1]; ++t) f(b, h, t, static_cast<std::size_t>((b * q[2] + h) * q[1] + t));
  }
  // The first element of a head's row: token t of head h (B, T, H, D).
  static std::size_t row_of(dims const& d, long b, long t, long h) { return static_cast<std::size_t>(((b * d[1] + t) * d[2] + h) * d[3]); }

  double product(tensor const& a, std::size_t i, tensor const& b, std::size_t j, long depth, dtype type) const {
    double t = 0;
    for (std::size_t k = 0; k < static_cast<std::size_t>(depth); ++k) t = rounded(t + a[i + k] * b[j + k], type);
    return t;
  }

  score_body body_of(node const& n, dims const& qs, dims const& ks) {
    auto draw = [this, qs, ks](node const& x, long const* p) {
      const long element = ((p[0] * qs[2] + p[1]) * qs[1] + p[2]) * ks[1] + p[3];
      return random_counter({random_seed, random_step, static_cast<std::uint32_t>(x.attribute[0]), static_cast<std::uint32_t>(iteration(x.scope)), static_cast<std::uint64_t>(element)});
    };
    return {g, n.attribute[0], rounds, [this](int x) -> tensor const& { return get(x); }, draw};
  }

  // out = (factor softmax(mask(score(q k')))) v. A query that sees no key: 0, and -infinity.
  tensor attend(int id, node const& n) {
    tensor const &q = operand(n, 0), &k = operand(n, 1), &v = operand(n, 2);
    dims qs = shape_of(n, 0), ks = shape_of(n, 1);
    score_body body = body_of(n, qs, ks);
    const finished_score end = finished_score_of(g, n.in[3]);
    auto list = body.needs({end.score, end.factor, n.in[4]});
    tensor out(q.size(), 0.0), lse(static_cast<std::size_t>(qs[0] * qs[1] * qs[2]));
    for_each_query(qs, [&](long b, long h, long t, std::size_t i) {
      long group = h / (qs[2] / ks[2]);
      tensor z, factor;
      std::vector<long> keys;
      for (long s = 0; s < ks[1]; ++s) {
        if (!visible(body, list, n, b, h, t, s, product(q, row_of(qs, b, t, h), k, row_of(ks, b, s, group), qs[3], n.type), 4)) continue;
        z.push_back(body[end.score]);
        factor.push_back(end.factor < 0 ? 1 : body[end.factor]);
        keys.push_back(s);
      }
      lse[i] = -std::numeric_limits<double>::infinity();
      if (keys.empty()) return;
      double top = *std::max_element(z.begin(), z.end()), total = 0;
      for (double& e : z) total = rounded(total + (e = rounded(std::exp(e - top), n.type)), n.type);
      lse[i] = rounded(top + std::log(total), n.type);
      if (end.factor >= 0)
        for (std::size_t s = 0; s < keys.size(); ++s) z[s] = rounded(z[s] * factor[s], n.type);
      for (std::size_t d = 0; d < static_cast<std::size_t>(qs[3]); ++d) {
        double sum = 0;
        for (std::size_t s = 0; s < keys.size(); ++s) sum = rounded(sum + z[s] * v[row_of(ks, b, keys[s], group) + d], n.type);
        out[row_of(qs, b, t, h) + d] = sum / total;
      }
    });
    results[{id, iteration(n.scope)}] = {out, lse};
    return out;
  }

  // p = exp(z - lse), dz = p (factor dout v' - delta), delta = dout out', ds = the body's adjoint of the score.
  tensor attend_backward(int id, node const& n) {
    tensor const &q = operand(n, 0), &k = operand(n, 1), &v = operand(n, 2), &out = operand(n, 3), &lse = operand(n, 4), &dout = operand(n, 5);
    dims qs = shape_of(n, 0), ks = shape_of(n, 1);
    score_body body = body_of(n, qs, ks);
    const finished_score end = finished_score_of(g, n.in[6]);
    auto forward = body.needs({end.score, end.factor, n.in[8]});
    std::vector<int> chain, adjoints{n.in[7]};
    std::vector<tensor> all{tensor(q.size(), 0.0), tensor(k.size(), 0.0), tensor(v.size(), 0.0)};
    for (int l = n.in[9]; l >= 0; l = g[l].in[2]) {
      chain.push_back(l);
      adjoints.push_back(g[l].in[0]);
      adjoints.push_back(g[l].in[1]);
      all.emplace_back(static_cast<std::size_t>(g[g[g[l].in[0]].in[0]].shape.elements()), 0.0);
    }
    auto backward = body.needs(adjoints);
    auto add = [&](tensor& to, std::size_t i, double x) { to[i] = rounded(to[i] + x, n.type); };
    for_each_query(qs, [&](long b, long h, long t, std::size_t i) {
      long group = h / (qs[2] / ks[2]);
      std::size_t qi = row_of(qs, b, t, h);
      double delta = product(dout, qi, out, qi, qs[3], n.type);
      for (long s = 0; s < ks[1]; ++s) {
        std::size_t ki = row_of(ks, b, s, group);
        if (!visible(body, forward, n, b, h, t, s, product(q, qi, k, ki, qs[3], n.type), 8)) continue;
        const double p = rounded(std::exp(body[end.score] - lse[i]), n.type), factor = end.factor < 0 ? 1 : body[end.factor];
        const double weighed = end.factor < 0 ? p : rounded(p * factor, n.type);
        body.gradient = rounded(p * (factor * product(dout, qi, v, ki, qs[3], n.type) - delta), n.type);
        body.evaluate(backward);
        for (std::size_t d = 0; d < static_cast<std::size_t>(qs[3]); ++d) {
          add(all[0], qi + d, body[n.in[7]] * k[ki + d]);
          add(all[1], ki + d, body[n.in[7]] * q[qi + d]);
          add(all[2], ki + d, weighed * dout[qi + d]);
        }
        for (std::size_t c = 0; c < chain.size(); ++c) add(all[3 + c], body.offset(g[chain[c]].in[0]), body[g[chain[c]].in[1]]);
      }
    });
    tensor dq = all[0];
    results[{id, iteration(n.scope)}] = std::move(all);
    return dq;
  }

  // Evaluates the score and the mask (operand `mask` of the attention) at one place.
  bool visible(score_body& body, std::vector<int> const& list, node const& n, long b, long h, long t, long s, double score, std::size_t mask) {
    body.at[0] = b, body.at[1] = h, body.at[2] = t, body.at[3] = s;
    body.score = score;
    body.evaluate(list);
    return n.in[mask] < 0 || body[n.in[mask]] != 0;
  }
};

}  // namespace formwork::testing
