// lower_precision: which values of a program are kept in 16 bits. Arithmetic stays what it was, in f32 registers or
// tensor cores that accumulate in f32; what is stored between kernels, and what products and attention read, takes half
// the memory (Micikevicius et al. 2018, arXiv:1710.03740).
//   16 bits: parameters (working copies), activations and their gradients, operands of products and attention
//   f32:     sums and maxima and what is computed from them alone (mean, deviation, log-sum-exp), the loss's scale, gradients of
//            parameters, every output, coordinates and random numbers, the bodies of scores
#pragma once

#include "access.hpp"
#include "rewrite.hpp"

namespace formwork {

namespace detail {

class precision_lowering {
 public:
  constexpr precision_lowering(graph const& g, dtype to) : from_(g), storage_(to), exact_(g.nodes.size(), 0), small_(g.nodes.size(), 0), forced_(g.nodes.size(), 0), r_(g) {}

  constexpr graph run() {
    for (auto const& o : from_.outputs) mark_exact(o.node);
    find_small();
    graph g = r_.run([&](node n, int id) { return place(n, id); });
    // What attention or a table gives directly.
    for (auto o = g.outputs.begin(); o != g.outputs.end(); ++o)
      if (g[o->node].type == storage_ && from_[from_.outputs[static_cast<std::size_t>(o - g.outputs.begin())].node].type == dtype::f32) {
        if (g[o->node].scope != 0) throw "16-bit storage: a value inside a loop is an output and a result of attention or of a gather: multiply it by 1 first";
        node c{.what = kind::cast, .type = dtype::f32, .shape = g[o->node].shape};
        c.inputs = 1;
        c.in[0] = o->node;
        o->node = g.push_here(c);
      }
    return g;
  }

 private:
  graph const& from_;
  dtype storage_;
  std::vector<char> exact_;   // on the way from the last reduction or product to an output
  std::vector<char> small_;   // computed from reductions, coordinates, constants and single numbers alone
  std::vector<char> forced_;  // 1: f32, 2: storage, since a loop's variable has that type
  rewrite r_;

  constexpr bool in_score(int id) const { return from_.scopes[static_cast<std::size_t>(from_[id].scope)].what == scope_kind::score; }

  constexpr void mark_exact(int id) {
    std::vector<int> left{id};
    while (!left.empty()) {
      int x = left.back();
      left.pop_back();
      if (x < 0 || exact_[static_cast<std::size_t>(x)]) continue;
      node const& n = from_[x];
      exact_[static_cast<std::size_t>(x)] = 1;
      if (is_elementwise(n.what) || is_view(n.what) || n.what == kind::pad || n.what == kind::concatenate)
        for (int j = 0; j < n.inputs; ++j) left.push_back(n.in[static_cast<std::size_t>(j)]);
      if (n.what == kind::scatter) left.push_back(n.in[0]);
      if (n.what == kind::final && sums_products(from_, x)) left.push_back(from_[n.in[0]].in[1]);
    }
  }

  constexpr void find_small() {
    for (int i = 0; i < from_.size(); ++i) {
      node const& n = from_[i];
      char& s = small_[static_cast<std::size_t>(i)];
      if (is_generator(n.what) || is_reduction(n.what) || (n.what == kind::input && n.shape.elements() == 1)) s = 1;
      if (is_elementwise(n.what) || is_view(n.what)) {
        s = 1;
        for (int j = 0; j < n.inputs; ++j) s = s && small_[static_cast<std::size_t>(n.in[static_cast<std::size_t>(j)])];
      }
      if (n.what == kind::result && from_[n.in[0]].what == kind::attend) s = 1;  // the log-sum-exp
    }
  }

  constexpr int cast_to(int x, dtype type) {
    if (r_.to[x].type == type) return x;
    node c{.what = kind::cast, .type = type, .shape = r_.to[x].shape};
    c.inputs = 1;
    c.in[0] = x;
    return r_.to.push_here(c);
  }
  constexpr dtype type_of_operand(node const& n, int j) const { return r_.to[n.in[static_cast<std::size_t>(j)]].type; }

  constexpr dtype lowered(node const& n, int id) const {
    if (forced_[static_cast<std::size_t>(id)]) return forced_[static_cast<std::size_t>(id)] == 1 ? dtype::f32 : storage_;
    switch (n.what) {
      case kind::parameter: case kind::attend: case kind::attend_backward: return storage_;
      case kind::map: case kind::cast: case kind::contract:
        return exact_[static_cast<std::size_t>(id)] || small_[static_cast<std::size_t>(id)] ? dtype::f32 : storage_;
      case kind::result: {
        // attend: the log-sum-exp; attend_backward: dk and dv, then the gradients of tables.
        const bool head = r_.to[n.in[0]].what == kind::attend_backward && n.attribute[0] <= 2;
        return head ? storage_ : dtype::f32;
      }
      case kind::broadcast: case kind::transpose: case kind::reshape: case kind::slice: case kind::pad: case kind::gather:
      case kind::carry: case kind::final: case kind::part: case kind::stack: case kind::concatenate: return type_of_operand(n, 0);
      default: return n.type;
    }
  }

  constexpr int place(node n, int id) {
    if (n.type != dtype::f32 || in_score(id)) return r_.to.push_here(n);
    n.type = lowered(n, id);
    if (n.what == kind::carry) forced_[static_cast<std::size_t>(from_[id].in[1])] = n.type == dtype::f32 ? 1 : 2;
    auto take_as = [&](int j, dtype type) {
      int& x = n.in[static_cast<std::size_t>(j)];
      if (x >= 0) x = cast_to(x, type);
    };
    switch (n.what) {
      case kind::contract:
        for (int j = 0; j < 2; ++j) take_as(j, storage_);
        break;
      case kind::attend:
        for (int j = 0; j < 3; ++j) take_as(j, storage_);
        break;
      case kind::attend_backward:
        for (int j : {0, 1, 2, 3, 5}) take_as(j, storage_);
        break;
      case kind::concatenate:
        for (int j = 1; j < n.inputs; ++j) take_as(j, n.type);
        break;
      case kind::scatter: take_as(0, dtype::f32); break;
      default: break;
    }
    return r_.to.push_here(n);
  }
};

}  // namespace detail

// The program with 16-bit storage: `storage` is bf16 or f16.
constexpr graph lower_precision(graph const& g, dtype storage) { return detail::precision_lowering(g, storage).run(); }

}  // namespace formwork
