// The interpreter's attention.
#include <algorithm>
#include <cmath>
#include <limits>

#include "interpreter.hpp"
#include "random_counter.hpp"

namespace formwork::testing {
namespace {

using tensor = interpreter::tensor;

// Visits (batch, head, query) of a (B, T, H, D) query in the order of the log-sum-exp, (B, H, T).
template <class F> void for_each_query(dims const& q, F const& f) {
  for (long b = 0; b < q[0]; ++b)
    for (long h = 0; h < q[2]; ++h)
      for (long t = 0; t < q[1]; ++t) f(b, h, t, static_cast<std::size_t>((b * q[2] + h) * q[1] + t));
}
// The first element of a head's row: token t of head h (B, T, H, D).
std::size_t row_of(dims const& d, long b, long t, long h) { return static_cast<std::size_t>(((b * d[1] + t) * d[2] + h) * d[3]); }

}  // namespace

double interpreter::product(tensor const& a, std::size_t i, tensor const& b, std::size_t j, long depth, dtype type) const {
  double t = 0;
  for (std::size_t k = 0; k < static_cast<std::size_t>(depth); ++k) t = rounded(t + a[i + k] * b[j + k], type);
  return t;
}

score_body interpreter::body_of(node const& n, dims const& qs, dims const& ks) {
  auto draw = [this, qs, ks](node const& x, long const* p) {
    const long element = ((p[0] * qs[2] + p[1]) * qs[1] + p[2]) * ks[1] + p[3];
    return random_counter({random_seed, random_step, static_cast<std::uint32_t>(x.attribute[0]), static_cast<std::uint32_t>(iteration(x.scope)), static_cast<std::uint64_t>(element)});
  };
  return {g, n.attribute[0], rounds, [this](int x) -> tensor const& { return get(x); }, draw};
}

tensor interpreter::attend(int id, node const& n) {
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

tensor interpreter::attend_backward(int id, node const& n) {
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

bool interpreter::visible(score_body& body, std::vector<int> const& list, node const& n, long b, long h, long t, long s, double score, std::size_t mask) {
  body.at[0] = b, body.at[1] = h, body.at[2] = t, body.at[3] = s;
  body.score = score;
  body.evaluate(list);
  return n.in[mask] < 0 || body[n.in[mask]] != 0;
}

}  // namespace formwork::testing
