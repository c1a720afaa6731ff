#include "interpreter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "random_counter.hpp"

namespace formwork::testing {
namespace {

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
std::size_t offset_of(long const* at, dims const& shape) {
  long where = 0;
  for (int a = 0; a < shape.rank; ++a) where = where * shape.size[a] + at[a];
  return static_cast<std::size_t>(where);
}

void require_size(std::vector<double> const& x, long n, name_text const& name) {
  if (static_cast<long>(x.size()) != n)
    throw std::runtime_error(std::string(name.view()) + " has " + std::to_string(n) + " elements, not " + std::to_string(x.size()));
}

long row(double index, dims const& table) {
  if (!(index >= 0 && index < static_cast<double>(table.size[0])))
    throw std::runtime_error("row " + std::to_string(index) + " of a table of " + std::to_string(table.size[0]) + " rows");
  return static_cast<long>(index);
}

}  // namespace

interpreter::interpreter(graph program, rounding r) : g(std::move(program)), rounds(r), inputs(g.inputs.size()), parameters(g.parameters.size()) {
  require_good_program(g);
}

void interpreter::set_input(int number, tensor x) {
  int node = g.inputs.at(static_cast<std::size_t>(number)).node;
  require_size(x, g[node].shape.elements() * iterations(g, g[node].scope), g.inputs[static_cast<std::size_t>(number)].name);
  inputs[static_cast<std::size_t>(number)] = std::move(x);
}
void interpreter::set_parameter(int number, tensor x) {
  require_size(x, g.parameters.at(static_cast<std::size_t>(number)).elements(), g.parameters[static_cast<std::size_t>(number)].name);
  parameters[static_cast<std::size_t>(number)] = std::move(x);
}

void interpreter::run() {
  known.clear();
  results.clear();
  at.clear();
  outputs.clear();
  for (auto const& o : g.outputs) outputs.push_back(stacked(o.node));
}

interpreter::tensor const& interpreter::output(std::string_view name, role what) const {
  for (std::size_t k = 0; k < g.outputs.size(); ++k)
    if (g.outputs[k].what == what && g.outputs[k].name.view() == name) return outputs.at(k);
  throw std::runtime_error("the program has no output " + std::string(name));
}

interpreter::tensor interpreter::stacked(int id) {
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

long interpreter::iteration(int scope) const {
  std::vector<long> sizes = loop_counts(g, scope);
  long i = 0;
  for (std::size_t d = 0; d < sizes.size(); ++d) i = i * sizes[d] + at[d];
  return i;
}

interpreter::tensor const& interpreter::get(int id) {
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

interpreter::tensor interpreter::next_value(node const& carry, long i) {
  at.push_back(i);
  tensor x = get(carry.in[1]);
  at.pop_back();
  return x;
}

interpreter::tensor interpreter::compute(int id) {
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

}  // namespace formwork::testing
