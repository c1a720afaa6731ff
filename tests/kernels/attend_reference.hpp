// Attention and its gradients, pair by pair, in f64.
#pragma once

#include <algorithm>
#include <limits>

#include "kernels/launched_kernel.hpp"

namespace formwork::testing {

class attend_reference : launched_kernel {
 public:
  explicit attend_reference(launched_kernel const& launched) : launched_kernel(launched) {}

  void forward() {
    long depth = k->shape[0].size[3], keys = k->shape[1].size[1];
    each_query([&](long b, long h, long t, long group, long n) {
      std::vector<double> z(static_cast<std::size_t>(keys), -std::numeric_limits<double>::infinity()), factor(z.size(), 1.0), sum(static_cast<std::size_t>(depth), 0.0);
      double top = -std::numeric_limits<double>::infinity(), total = 0;
      for (long s = 0; s < keys; ++s) {
        double x = score(b, h, t, s, dot(0, head(0, b, t, h), 1, head(1, b, s, group)), 0);
        if (visible()) z[static_cast<std::size_t>(s)] = x, factor[static_cast<std::size_t>(s)] = weight();
        top = std::max(top, z[static_cast<std::size_t>(s)]);
      }
      for (long s = 0; s < keys && top > -std::numeric_limits<double>::infinity(); ++s) {
        double e = std::exp(z[static_cast<std::size_t>(s)] - top);
        total += e;
        for (long d = 0; d < depth; ++d) sum[static_cast<std::size_t>(d)] += e == 0 ? 0 : e * factor[static_cast<std::size_t>(s)] * read(2, head(2, b, s, group) + d);
      }
      for (long d = 0; d < depth; ++d) write(3, head(3, b, t, h) + d, total > 0 ? sum[static_cast<std::size_t>(d)] / total : 0);
      if (base[4]) write(4, n, total > 0 ? top + std::log(total) : -std::numeric_limits<double>::infinity());
    });
  }

  void backward() {
    long depth = k->shape[0].size[3], keys = k->shape[1].size[1];
    dims const &q = k->shape[0], &kv = k->shape[1];
    auto clear = [&](int a, dims const& d) {
      if (!base[static_cast<std::size_t>(a)]) return;
      for (long b = 0; b < d[0]; ++b)
        for (long t = 0; t < d[1]; ++t)
          for (long h = 0; h < d[2]; ++h)
            for (long i = 0; i < depth; ++i) write(a, head(a, b, t, h) + i, 0);
    };
    clear(6, q);
    clear(7, kv);
    clear(8, kv);
    for (int j = 0; j < k->instructions; ++j)
      if (at(j).what == opcode::lookup_gradient) {
        address const& table = argument(at(j).argument).row;
        long n = 1;
        for (int d = 0; d < table.rank; ++d) n *= table.extent[d];
        for (long i = 0; i < n; ++i) write(at(j).argument, offset(table, i), 0);
      }
    auto add = [&](int a, long i, double x) {
      if (base[static_cast<std::size_t>(a)]) write(a, i, read(a, i) + x);
    };
    each_query([&](long b, long h, long t, long group, long n) {
      double delta = dot(3, head(3, b, t, h), 5, head(5, b, t, h)), lse = read(4, n);
      for (long s = 0; s < keys; ++s) {
        double raw = dot(0, head(0, b, t, h), 1, head(1, b, s, group));
        double z = score(b, h, t, s, raw, 0);
        if (!visible()) continue;
        double e = std::exp(z - lse), factor = weight(), dz = e * (factor * dot(5, head(5, b, t, h), 2, head(2, b, s, group)) - delta);
        score(b, h, t, s, raw, dz);
        double ds = k->results[1] >= 0 ? body[static_cast<std::size_t>(k->results[1])] : dz;
        for (long d = 0; d < depth; ++d) {
          add(6, head(6, b, t, h) + d, ds * read(1, head(1, b, s, group) + d));
          add(7, head(7, b, s, group) + d, ds * read(0, head(0, b, t, h) + d));
          add(8, head(8, b, s, group) + d, e * factor * read(5, head(5, b, t, h) + d));
        }
        for (int j = 0; j < k->instructions; ++j)
          if (at(j).what == opcode::lookup_gradient) add(at(j).argument, looked_up(at(j), 1), body[static_cast<std::size_t>(at(j).in[0])]);
      }
    });
  }

 private:
  std::vector<double> body;
  double score(long b, long h, long t, long s, double raw, double gradient) {
    body.assign(static_cast<std::size_t>(k->instructions), 0.0);
    long position[] = {b, h, t, s};
    for (int j = 0; j < k->instructions; ++j) {
      instruction const& i = at(j);
      double& v = body[static_cast<std::size_t>(j)];
      switch (i.what) {
        case opcode::constant: v = i.number; break;
        case opcode::index: v = static_cast<double>(position[i.inner]); break;
        case opcode::random: {
          long where = 0;
          for (int d = 0; d < 4; ++d) where += position[d] * argument(i.argument).row.stride[d];
          v = generated(i, where);
          break;
        }
        case opcode::score: v = raw; break;
        case opcode::score_gradient: v = gradient; break;
        case opcode::lookup: v = read(i.argument, looked_up(i, 0)); break;
        case opcode::map: case opcode::cast: {
          double x[max_operands]{};
          for (int q = 0; q < max_operands && i.in[q] >= 0; ++q) x[q] = body[static_cast<std::size_t>(i.in[q])];
          v = i.what == opcode::cast ? converted(x[0], i.type) : i.op->evaluate(x);
          break;
        }
        default: break;
      }
    }
    return k->results[0] >= 0 ? body[static_cast<std::size_t>(k->results[0])] : raw;
  }
  // The factor of the pair's probability.
  double weight() const {
    for (int j = 0; j < k->instructions; ++j)
      if (at(j).what == opcode::weigh) return body[static_cast<std::size_t>(at(j).in[0])];
    return 1;
  }
  // Indices outside the table read its nearest element.
  long looked_up(instruction const& i, int first) const {
    address const& table = argument(i.argument).row;
    long where = 0;
    for (int d = 0; d < table.rank; ++d) {
      long x = static_cast<long>(body[static_cast<std::size_t>(i.in[first + d])]);
      where += std::min(std::max(x, 0l), table.extent[d] - 1) * table.stride[d];
    }
    return where;
  }
  bool visible() const { return k->results[2] < 0 || body[static_cast<std::size_t>(k->results[2])] != 0; }
  long head(int a, long b, long t, long h) const {
    address const& r = argument(a).row;
    return b * r.stride[0] + t * r.stride[1] + h * r.stride[2];
  }
  double dot(int a, long i, int b, long j) const {
    double x = 0;
    for (long d = 0; d < k->shape[0].size[3]; ++d) x += read(a, i + d) * read(b, j + d);
    return x;
  }
  void each_query(auto const& f) {
    dims const &q = k->shape[0], &s = k->shape[1];
    for (long b = 0; b < q[0]; ++b)
      for (long h = 0; h < q[2]; ++h)
        for (long t = 0; t < q[1]; ++t) f(b, h, t, h / (q[2] / s[2]), (b * q[2] + h) * q[1] + t);
  }
};

}  // namespace formwork::testing
