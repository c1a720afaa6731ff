// The adjoint of every node while a program is differentiated, and each kind's rule for its operands.
#pragma once

#include "../ops/add.hpp"
#include "../ops/divide.hpp"
#include "../ops/equal.hpp"
#include "../ops/select.hpp"
#include "rewrite.hpp"

namespace formwork::detail {

// Contributions per node; `total` adds them up once. Slices of one value that together cover it become a
// concatenation instead of a sum of padded parts.
class adjoint_table {
 public:
  constexpr explicit adjoint_table(int size) : parts(static_cast<std::size_t>(size)), finals(static_cast<std::size_t>(size), -1) {}

  constexpr void add(int node, int d) { parts[static_cast<std::size_t>(node)].push_back(d); }
  constexpr void add_final(int carry, int d) { finals[static_cast<std::size_t>(carry)] = d; }
  constexpr int total_final(graph&, int carry) const { return finals[static_cast<std::size_t>(carry)]; }

  // The adjoint of a node, or -1 where nothing depends on it.
  constexpr int total(graph& g, int node) {
    auto& list = parts[static_cast<std::size_t>(node)];
    if (list.empty()) return -1;
    if (list.size() > 1) {
      int joined = join(g, list);
      if (joined < 0) {
        joined = list[0];
        for (std::size_t k = 1; k < list.size(); ++k) joined = build::map<ops::add>(g, joined, list[k]);
      }
      list.assign(1, joined);
    }
    return list[0];
  }

 private:
  std::vector<std::vector<int>> parts;
  std::vector<int> finals;

  // All parts are pads along one axis that cover it without overlap: their concatenation; else -1.
  static constexpr int join(graph& g, std::vector<int> const& list) {
    if (list.size() > 6) return -1;
    int axis = -1;
    for (int d : list) {
      if (g[d].what != kind::pad) return -1;
      dims inner = g[g[d].in[0]].shape, all = g[d].shape;
      for (int i = 0; i < all.rank; ++i)
        if (inner.size[i] != all.size[i]) {
          if (axis >= 0 && axis != i) return -1;
          axis = i;
        }
    }
    if (axis < 0) return -1;
    std::array<int, 6> ordered{};
    int count = 0;
    long at = 0;
    while (at < g[list[0]].shape.size[axis]) {
      bool found = false;
      for (int d : list)
        if (!found && g[d].attribute[static_cast<std::size_t>(axis)] == at) {
          ordered[static_cast<std::size_t>(count++)] = g[d].in[0];
          at += g[g[d].in[0]].shape.size[axis];
          found = true;
        }
      if (!found) return -1;
    }
    return count == static_cast<int>(list.size()) ? build::concatenate(g, ordered, count, axis) : -1;
  }
};

// The adjoints dx of a node's operands from its own, dy. `i` is the node itself, n a copy of it.
constexpr void operand_adjoints(graph& g, node const& n, int i, int dy, int* dx) {
  int x = n.in[0];
  switch (n.what) {
    case kind::map: n.op->differentiate(g, n.in.data(), i, dy, dx); break;
    case kind::cast: dx[0] = build::cast(g, dy, g[x].type); break;
    case kind::broadcast: dx[0] = build::sum_to(g, dy, g[x].shape); break;
    case kind::reshape: dx[0] = build::reshape(g, dy, g[x].shape); break;
    case kind::transpose: {
      std::array<int, 6> back{};
      for (int a = 0; a < n.shape.rank; ++a) back[static_cast<std::size_t>(n.attribute[static_cast<std::size_t>(a)])] = a;
      dx[0] = build::transpose(g, dy, back);
      break;
    }
    case kind::slice: dx[0] = build::pad(g, dy, n.attribute, g[x].shape); break;
    case kind::pad: dx[0] = build::slice(g, dy, n.attribute, g[x].shape); break;
    case kind::concatenate: {
      std::array<int, 6> first{};
      for (int k = 0; k < n.inputs; ++k) {
        dims part = g[n.in[static_cast<std::size_t>(k)]].shape;
        dx[k] = build::slice(g, dy, first, part);
        first[static_cast<std::size_t>(n.attribute[0])] += static_cast<int>(part.size[n.attribute[0]]);
      }
      break;
    }
    case kind::sum: dx[0] = build::broadcast(g, dy, g[x].shape); break;
    case kind::maximum: {  // shared equally by equal maxima
      dims shape = g[x].shape;
      int hit = build::map<ops::equal>(g, x, build::broadcast(g, i, shape));
      int one = build::constant_like(g, 1, x), zero = build::constant_like(g, 0, x);
      int hits = build::reduce(g, kind::sum, build::map<ops::select>(g, hit, one, zero), n.attribute[0]);
      int share = build::broadcast(g, build::map<ops::divide>(g, dy, hits), shape);
      dx[0] = build::map<ops::select>(g, hit, share, zero);
      break;
    }
    case kind::contract:  // dA = dC B', dB = A' dC
      dx[0] = build::contract(g, dy, build::matrix_transpose(g, n.in[1]));
      dx[1] = build::contract(g, build::matrix_transpose(g, n.in[0]), dy);
      break;
    case kind::gather: dx[0] = build::cast(g, build::scatter(g, -1, n.in[1], dy, g[x].shape), g[x].type); break;
    case kind::scatter:
      dx[0] = n.in[0] < 0 ? -1 : dy;
      dx[2] = build::cast(g, build::gather(g, dy, n.in[1]), g[n.in[2]].type);
      break;
    case kind::replace: throw "a state that is kept for the next run has no derivative";
    case kind::attend_backward:
    case kind::lookup_gradient: throw "attention has no second derivative here";
    default: break;
  }
}

}  // namespace formwork::detail
