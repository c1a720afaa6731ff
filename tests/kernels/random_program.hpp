// Random programs: a seed gives a program of every kind of node, with loops, in awkward combinations. Values stay
// small and formulas smooth, so that f32 and f64 runs of the same program agree.
#pragma once

#include <cstdint>

#include "formwork/ops/gelu.hpp"
#include "formwork/ops/greater.hpp"
#include "formwork/ops/modulo.hpp"
#include "formwork/ops/sigmoid.hpp"
#include "formwork/ops/silu.hpp"
#include "formwork/ops/sin.hpp"
#include "formwork/ops/softplus.hpp"
#include "formwork/ops/sqrt.hpp"
#include "formwork/ops/square.hpp"
#include "formwork/ops/tanh.hpp"
#include "formwork/trace/trace.hpp"

namespace formwork::testing {

struct random_program_options {
  unsigned seed = 1;
  int nodes = 12;     // drawn operations, a softmax counts as one
  int loops = 1;      // at most
  bool products = true;
  bool rows = true;   // gather
  bool noise = true;  // random numbers
  int outputs = 2;    // values given back besides the scalar
};

class random_program {
 public:
  constexpr explicit random_program(random_program_options options) : o(options), state(options.seed) {}

  constexpr graph make() {
    indices = add_input(dims{below(2) ? 5l : 7l}, dtype::i32);
    for (int i = 0; i < 2; ++i) pool.push_back(add_input(random_shape(), dtype::f32));
    for (int i = 0; i < 2; ++i) pool.push_back(add_parameter(random_shape()));
    int loops = o.loops > 0 ? below(o.loops + 1) : 0;
    for (int i = 0; i < o.nodes; ++i) {
      if (loops > 0 && below(o.nodes) < 2) {
        --loops;
        add_loop();
      } else {
        add_something();
      }
    }
    finish();
    return std::move(g);
  }

 private:
  random_program_options o;
  std::uint64_t state;
  graph g;
  std::vector<int> pool;   // f32 values that may be read where the program stands
  int indices = -1;

  constexpr int below(int n) {  // SplitMix64 (Steele et al. 2014)
    std::uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<int>((z ^ (z >> 31)) % static_cast<unsigned>(n));
  }
  static constexpr name_text numbered(const char* letter, std::size_t n) {
    name_text name(letter);
    const char digits[] = {static_cast<char>('0' + n / 10 % 10), static_cast<char>('0' + n % 10), 0};
    name.append(digits);
    return name;
  }
  constexpr dims const shape_of(int x) const { return g[x].shape; }
  constexpr int any() {
    // The latest values more often, so that programs become deep.
    std::size_t n = pool.size();
    return below(2) || n < 4 ? pool[static_cast<std::size_t>(below(static_cast<int>(n)))] : pool[n - 1 - static_cast<std::size_t>(below(3))];
  }
  constexpr long size() {
    constexpr long sizes[] = {1, 2, 3, 4, 5, 6, 9, 17};
    return sizes[below(8)];
  }
  constexpr dims random_shape() {
    dims d;
    int rank = 1 + below(3);
    for (int i = 0; i < rank; ++i) d.push_back(size());
    return d;
  }

  constexpr int add_input(dims shape, dtype type) {
    input_info i;
    i.shape = shape;
    i.type = type;
    i.name = numbered("x", g.inputs.size());
    node n{.what = kind::input, .type = type, .shape = shape};
    n.attribute[0] = static_cast<int>(g.inputs.size());
    int kept = g.scope;
    g.scope = 0;
    i.node = g.push_here(n);
    g.scope = kept;
    g.inputs.push_back(i);
    return i.node;
  }
  constexpr int add_parameter(dims shape) {
    parameter_info p;
    p.shape = shape;
    p.decays = shape.rank > 1;
    p.name = numbered("p", g.parameters.size());
    for (int s = g.scope; s != 0; s = g.scopes[static_cast<std::size_t>(s)].parent) p.copies *= g.scopes[static_cast<std::size_t>(s)].count;
    node n{.what = kind::parameter, .type = dtype::f32, .shape = shape};
    n.attribute[0] = static_cast<int>(g.parameters.size());
    p.node = g.push_here(n);
    g.parameters.push_back(p);
    return p.node;
  }

  constexpr int scalar(double x, int like) { return build::constant_like(g, x, like); }
  template <class Op> constexpr int op(int x) { return build::map<Op>(g, x); }
  template <class Op> constexpr int op(int x, int y) { return build::map<Op>(g, x, y); }
  constexpr int reduce(kind what, int x, int axes) { return build::reduce(g, what, x, axes); }
  constexpr int spread(int x, int like) { return build::broadcast(g, x, dims(shape_of(like))); }
  constexpr int random_axes(dims d) { return d.rank == 0 ? 0 : 1 + below((1 << d.rank) - 1); }
  constexpr int mean(int x, int axes) {
    int s = reduce(kind::sum, x, axes);
    return op<ops::multiply>(s, scalar(static_cast<double>(shape_of(s).elements()) / static_cast<double>(shape_of(x).elements()), s));
  }

  constexpr int unary(int x) {
    switch (below(8)) {
      case 0: return op<ops::tanh>(x);
      case 1: return op<ops::sigmoid>(x);
      case 2: return op<ops::gelu>(x);
      case 3: return op<ops::silu>(x);
      case 4: return op<ops::sin>(x);
      case 5: return op<ops::multiply>(x, scalar(0.5, x));
      case 6: return op<ops::softplus>(x);
      default: return op<ops::subtract>(scalar(1, x), x);
    }
  }

  // Another value that broadcasts with x, or a new parameter that does.
  constexpr int partner(int x) {
    for (int t = 0; t < 4; ++t) {
      int y = any();
      dims b = formwork::broadcast(shape_of(x), shape_of(y));
      if (b.rank >= 0 && b.elements() < 4000) return y;
    }
    dims d = shape_of(x);
    int drop = d.rank > 0 ? below(d.rank) : 0;
    dims e;
    for (int i = drop; i < d.rank; ++i) e.push_back(below(3) == 0 ? 1 : d.size[i]);
    return add_parameter(e);
  }
  constexpr int binary() {
    int x = any(), y = partner(x);
    dims b = formwork::broadcast(shape_of(x), shape_of(y));
    x = build::broadcast(g, x, b);
    y = build::broadcast(g, y, b);
    switch (below(5)) {
      case 0: return op<ops::add>(x, y);
      case 1: return op<ops::multiply>(x, y);
      case 2: return op<ops::subtract>(x, y);
      case 3: return op<ops::divide>(x, op<ops::add>(op<ops::square>(y), scalar(1, y)));
      default: {
        int c[] = {op<ops::greater>(x, scalar(0.01, x)), x, y};
        return build::map(g, op_of<ops::select>(), c, 3);
      }
    }
  }

  constexpr int reduction() {
    int x = any();
    int axes = random_axes(shape_of(x));
    if (axes == 0) return x;
    switch (below(5)) {
      case 0: return reduce(kind::maximum, x, axes);
      case 1: return mean(op<ops::square>(x), axes);
      case 2: {  // softmax
        int e = op<ops::exp>(op<ops::subtract>(x, spread(reduce(kind::maximum, x, axes), x)));
        return op<ops::divide>(e, spread(reduce(kind::sum, e, axes), e));
      }
      case 3: {  // layer norm
        int c = op<ops::subtract>(x, spread(mean(x, axes), x));
        int v = mean(op<ops::square>(c), axes);
        int s = op<ops::divide>(scalar(1, v), op<ops::sqrt>(op<ops::add>(v, scalar(0.1, v))));
        return op<ops::multiply>(c, spread(s, c));
      }
      default: return mean(x, axes);
    }
  }

  constexpr int view() {
    int x = any();
    dims d = shape_of(x);
    switch (below(5)) {
      case 0: {
        std::array<int, 6> p{};
        for (int i = 0; i < d.rank; ++i) p[static_cast<std::size_t>(i)] = i;
        for (int i = d.rank - 1; i > 0; --i) std::swap(p[static_cast<std::size_t>(i)], p[static_cast<std::size_t>(below(i + 1))]);
        return build::transpose(g, x, p);
      }
      case 1: {  // an axis split in two, or two joined
        dims e;
        int a = d.rank > 0 ? below(d.rank) : 0;
        for (int i = 0; i < d.rank; ++i) {
          if (i == a && d.rank < 4 && below(2)) {
            long f = d.size[i] % 2 == 0 ? 2 : d.size[i] % 3 == 0 ? 3 : 1;
            e.push_back(f);
            e.push_back(d.size[i] / f);
          } else if (i == a && i + 1 < d.rank) {
            e.push_back(d.size[i] * d.size[i + 1]);
            ++i;
          } else {
            e.push_back(d.size[i]);
          }
        }
        return build::reshape(g, x, e);
      }
      case 2: {
        if (d.rank == 0) return x;
        int a = below(d.rank);
        long n = d.size[a], first = below(static_cast<int>(n)), length = 1 + below(static_cast<int>(n - first));
        std::array<int, 6> f{};
        f[static_cast<std::size_t>(a)] = static_cast<int>(first);
        d.size[a] = length;
        return build::slice(g, x, f, d);
      }
      case 3: {
        if (d.rank == 0) return x;
        int a = below(d.rank);
        std::array<int, 6> f{};
        f[static_cast<std::size_t>(a)] = below(3);
        d.size[a] += f[static_cast<std::size_t>(a)] + below(2);
        return build::pad(g, x, f, d);
      }
      default: {
        if (d.rank == 0 || d.elements() > 800) return x;
        int a = below(d.rank);
        int second = below(3) == 0 ? x : unary(x), third = unary(x);
        return build::concatenate(g, {x, second, third}, 2 + below(2), a);
      }
    }
  }

  constexpr int product() {
    int x = any();
    dims d = shape_of(x);
    if (d.rank < 2 || d.elements() > 1500) return unary(x);
    switch (below(4)) {
      case 0: {  // weights, the leading axes folded
        long k = d[-1], n = size();
        int flat = build::reshape(g, x, dims{d.elements() / k, k});
        int y = build::contract(g, flat, add_parameter(dims{k, n}));
        if (below(2)) y = op<ops::add>(y, spread(add_parameter(dims{n}), y));
        dims e = d;
        e[-1] = n;
        return build::reshape(g, y, e);
      }
      case 1: {  // x x'
        if (d[-2] > 20) return unary(x);
        return op<ops::multiply>(build::contract(g, x, build::matrix_transpose(g, x)), scalar(0.1, build::contract(g, x, build::matrix_transpose(g, x))));
      }
      case 2: {  // one matrix for the whole batch, broadcast
        long k = d[-1], n = size();
        dims w{k, n}, b = d;
        b[-2] = k;
        b[-1] = n;
        return build::contract(g, x, build::broadcast(g, add_parameter(w), b));
      }
      default: {  // a broadcast left operand
        long m = size(), k = d[-2];
        dims b = d;
        b[-2] = m;
        b[-1] = k;
        return build::contract(g, build::broadcast(g, add_parameter(dims{m, k}), b), x);
      }
    }
  }

  constexpr void add_something() {
    int y = -1;
    int what = below(20);
    if (what < 4) y = unary(any());
    else if (what < 8) y = binary();
    else if (what < 11) y = reduction();
    else if (what < 15) y = view();
    else if (what < 18 && o.products) y = product();
    else if (what == 18 && o.rows) y = gathered();
    else if (what == 19 && o.noise) y = dropped();
    else y = binary();
    if (shape_of(y).elements() > 6000 || shape_of(y).rank > 4) return;
    pool.push_back(y);
  }

  constexpr int gathered() {
    int x = any();
    dims d = shape_of(x);
    if (d.rank == 0 || d.rank > 3 || d.elements() / d.size[0] > 400) return x;
    // Indices beyond the table are not allowed.
    int rows = build::constant_like(g, static_cast<double>(d.size[0]), indices);
    int at[] = {indices, rows};
    return build::gather(g, x, build::map(g, op_of<ops::modulo>(), at, 2));
  }
  constexpr int dropped() {
    int x = any();
    node n{.what = kind::random, .type = dtype::f32, .shape = shape_of(x)};
    n.attribute[0] = g.streams++;
    int noise = g.push_here(n);
    int c[] = {op<ops::greater>(noise, scalar(0.3, noise)), x, scalar(0, x)};
    return build::map(g, op_of<ops::select>(), c, 3);
  }

  constexpr void add_loop() {
    std::vector<int> outside = pool;
    int first = any();
    if (shape_of(first).elements() > 1000) return;
    g.begin_loop(1 + below(3));
    int variable = build::carry(g, first);
    pool.push_back(variable);
    int inside = 2 + below(5);
    if (below(2)) pool.push_back(add_parameter(shape_of(first)));
    for (int i = 0; i < inside; ++i) add_something();
    // Something of the variable's shape, bounded so that iterations do not grow.
    int y = variable;
    for (std::size_t i = pool.size(); i-- > outside.size();)
      if (g[pool[i]].shape == g[variable].shape && pool[i] != variable) {
        y = pool[i];
        break;
      }
    int last = pool.back();
    if (y == variable || below(2)) {
      int axes = (1 << shape_of(last).rank) - 1;
      int s = build::reshape(g, mean(last, axes), dims{});
      y = op<ops::add>(y, build::broadcast(g, s, dims(shape_of(y))));
    }
    if (below(4)) y = op<ops::tanh>(y);
    if (g[y].scope != g.scope) y = op<ops::add>(y, variable);
    g[variable].in[1] = y;
    g.end_scope();
    pool = outside;
    pool.push_back(build::final(g, variable));
  }

  // A scalar in which every element counts differently.
  constexpr int weighted(int x) {
    long n = shape_of(x).elements();
    int flat = build::reshape(g, x, dims{n});
    int at = build::cast(g, build::index(g, 0, dims{n}), dtype::f32);
    int w = op<ops::sin>(op<ops::add>(op<ops::multiply>(at, scalar(0.7, at)), scalar(0.3, at)));
    return build::reshape(g, reduce(kind::sum, op<ops::multiply>(flat, w), 1), dims{});
  }
  constexpr void finish() {
    int loss = -1;
    for (int i = 0; i < 3; ++i) {
      int w = weighted(i == 0 ? pool.back() : any());
      loss = loss < 0 ? w : op<ops::add>(loss, w);
    }
    g.outputs.push_back({name_text("loss"), role::value, 0, loss});
    for (int i = 0; i < o.outputs; ++i) g.outputs.push_back({name_text(i ? "second" : "first"), role::value, 0, any()});
  }
};

}  // namespace formwork::testing
