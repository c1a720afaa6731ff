// Adding nodes to a graph: one function per kind, which computes the result's shape. They trust their operands;
// the typed values of trace/ and the passes check or know them.
#pragma once

#include "graph.hpp"

namespace formwork::build {

constexpr int constant(graph& g, double x, dtype type = dtype::f32) {
  node n{.what = kind::constant, .type = type};
  n.number = x;
  return g.push(n);
}

constexpr int unary(graph& g, kind what, int x, dims shape) {
  node n{.what = what, .type = g[x].type, .inputs = 1, .shape = shape};
  n.in[0] = x;
  return g.push(n);
}

constexpr int reshape(graph& g, int x, dims shape);

// Only sizes of 1 added: a reshape.
constexpr int broadcast(graph& g, int x, dims shape) {
  return g[x].shape.elements() == shape.elements() ? reshape(g, x, shape) : unary(g, kind::broadcast, x, shape);
}

// A constant with another node's shape and type.
constexpr int constant_like(graph& g, double x, int like) {
  const dims shape = g[like].shape;  // by value: adding the constant moves the nodes
  return broadcast(g, constant(g, x, g[like].type), shape);
}

constexpr int reshape(graph& g, int x, dims shape) {
  if (g[x].shape == shape) return x;
  if (g[x].what == kind::reshape) return reshape(g, g[x].in[0], shape);
  return unary(g, kind::reshape, x, shape);
}

constexpr int transpose(graph& g, int x, std::array<int, 6> permutation) {
  dims shape;
  shape.rank = g[x].shape.rank;
  bool identity = true;
  for (int i = 0; i < shape.rank; ++i) {
    shape.size[i] = g[x].shape.size[permutation[static_cast<std::size_t>(i)]];
    identity = identity && permutation[static_cast<std::size_t>(i)] == i;
  }
  if (identity) return x;
  for (int i = shape.rank; i < max_rank; ++i) permutation[static_cast<std::size_t>(i)] = 0;
  if (g[x].what == kind::transpose) {
    std::array<int, 6> both{};
    for (int i = 0; i < shape.rank; ++i)
      both[static_cast<std::size_t>(i)] = g[x].attribute[static_cast<std::size_t>(permutation[static_cast<std::size_t>(i)])];
    return transpose(g, g[x].in[0], both);
  }
  node n{.what = kind::transpose, .type = g[x].type, .inputs = 1, .shape = shape};
  n.in[0] = x;
  n.attribute = permutation;
  return g.push(n);
}

// The last two axes exchanged.
constexpr int matrix_transpose(graph& g, int x) {
  std::array<int, 6> p{};
  int r = g[x].shape.rank;
  for (int i = 0; i < r; ++i) p[static_cast<std::size_t>(i)] = i;
  p[static_cast<std::size_t>(r - 1)] = r - 2;
  p[static_cast<std::size_t>(r - 2)] = r - 1;
  return transpose(g, x, p);
}

constexpr int slice(graph& g, int x, std::array<int, 6> first, dims shape) {
  if (g[x].shape == shape) return x;
  node n{.what = kind::slice, .type = g[x].type, .inputs = 1, .shape = shape};
  n.in[0] = x;
  n.attribute = first;
  return g.push(n);
}

constexpr int pad(graph& g, int x, std::array<int, 6> first, dims shape) {
  if (g[x].shape == shape) return x;
  node n{.what = kind::pad, .type = g[x].type, .inputs = 1, .shape = shape};
  n.in[0] = x;
  n.attribute = first;
  return g.push(n);
}

constexpr int concatenate(graph& g, std::array<int, 6> parts, int count, int axis) {
  if (count == 1) return parts[0];
  dims shape = g[parts[0]].shape;
  for (int i = 1; i < count; ++i) shape[axis] += g[parts[static_cast<std::size_t>(i)]].shape[axis];
  node n{.what = kind::concatenate, .type = g[parts[0]].type, .inputs = static_cast<std::int16_t>(count), .shape = shape};
  for (int i = 0; i < count; ++i) n.in[static_cast<std::size_t>(i)] = parts[static_cast<std::size_t>(i)];
  n.attribute[0] = axis;
  return g.push(n);
}

// Reduces the axes of a bit mask; they stay, with size 1. A sum over axes of size 1 is its operand.
// `type` of the result: sums of 16-bit values are kept in f32.
constexpr int reduce(graph& g, kind what, int x, int axes, dtype type) {
  dims shape = g[x].shape;
  bool trivial = true;
  for (int i = 0; i < shape.rank; ++i)
    if (axes >> i & 1) {
      trivial = trivial && shape.size[i] == 1;
      shape.size[i] = 1;
    }
  if (trivial && g[x].type == type) return x;
  node n{.what = trivial ? kind::cast : what, .type = type, .inputs = 1, .shape = shape};
  n.in[0] = x;
  if (!trivial) n.attribute[0] = axes;
  return g.push(n);
}
constexpr int reduce(graph& g, kind what, int x, int axes) { return reduce(g, what, x, axes, g[x].type); }

// The sum over whatever a broadcast from `shape` repeated: the adjoint of broadcast.
constexpr int sum_to(graph& g, int x, dims shape) {
  int axes = 0, lead = g[x].shape.rank - shape.rank;
  for (int i = 0; i < g[x].shape.rank; ++i)
    if (i < lead || (shape.size[i - lead] == 1 && g[x].shape.size[i] != 1)) axes |= 1 << i;
  return reshape(g, reduce(g, kind::sum, x, axes), shape);
}

constexpr int cast(graph& g, int x, dtype type) {
  if (g[x].type == type) return x;
  node n{.what = kind::cast, .type = type, .inputs = 1, .shape = g[x].shape};
  n.in[0] = x;
  return g.push(n);
}

// An elementwise op on operands of one shape.
constexpr int map(graph& g, const op_info* op, const int* x, int count) {
  node n{.what = kind::map, .inputs = static_cast<std::int16_t>(count), .shape = g[x[0]].shape};
  n.type = op->has_result_type ? op->result : g[x[count - 1]].type;
  n.op = op;
  for (int i = 0; i < count; ++i) n.in[static_cast<std::size_t>(i)] = x[i];
  return g.push(n);
}
template <class Op, class... Id> constexpr int map(graph& g, Id... id) {
  int x[] = {id...};
  return map(g, op_of<Op>(), x, sizeof...(Id));
}

// (..., M, K) times (..., K, N); leading axes are equal.
constexpr int contract(graph& g, int a, int b) {
  dims shape = g[a].shape;
  shape[-1] = g[b].shape[-1];
  node n{.what = kind::contract, .type = g[a].type, .inputs = 2, .shape = shape};
  n.in[0] = a;
  n.in[1] = b;
  return g.push(n);
}

constexpr int gather(graph& g, int table, int indices) {
  dims shape = g[indices].shape;
  for (int i = 1; i < g[table].shape.rank; ++i) shape.push_back(g[table].shape.size[i]);
  node n{.what = kind::gather, .type = g[table].type, .inputs = 2, .shape = shape};
  n.in[0] = table;
  n.in[1] = indices;
  return g.push(n);
}

// base (or zeros: -1) plus updates, row indices[i...] gaining updates[i..., :]. The sums of 16-bit updates are f32.
constexpr int scatter(graph& g, int base, int indices, int updates, dims shape) {
  node n{.what = kind::scatter, .type = accumulation_of(g[updates].type), .inputs = 3, .shape = shape};
  n.in[0] = base;
  n.in[1] = indices;
  n.in[2] = updates;
  return g.push(n);
}

// A state with rows[i..., :] in place of its row indices[i...]; indices differ.
constexpr int replace(graph& g, int state, int indices, int rows) {
  node n{.what = kind::replace, .type = g[state].type, .inputs = 3, .shape = g[state].shape};
  n.in[0] = state;
  n.in[1] = indices;
  n.in[2] = rows;
  return g.push(n);
}

constexpr int index(graph& g, int axis, dims shape) {
  node n{.what = kind::index, .type = dtype::i32, .shape = shape};
  n.attribute[0] = axis;
  return g.push(n);
}

// A coordinate inside a score's body: 0 batch, 1 head, 2 query, 3 key.
constexpr int score_index(graph& g, int axis, int scope) {
  node n{.what = kind::index, .type = dtype::i32, .scope = static_cast<std::int16_t>(scope)};
  n.attribute[0] = axis;
  return g.push_unique(n);
}

// One element of a table, at one index per axis, inside a score's body.
constexpr int lookup(graph& g, int table, const int* indices, int scope) {
  node n{.what = kind::lookup, .type = g[table].type, .scope = static_cast<std::int16_t>(scope)};
  n.inputs = static_cast<std::int16_t>(1 + g[table].shape.rank);
  n.in[0] = table;
  for (int i = 0; i < g[table].shape.rank; ++i) n.in[static_cast<std::size_t>(1 + i)] = indices[i];
  return g.push_unique(n);
}

// A finished score whose probability counts `factor` times, inside the score's body.
constexpr int weigh(graph& g, int score, int factor) {
  node n{.what = kind::weigh, .type = g[score].type, .inputs = 2};
  n.in[0] = score;
  n.in[1] = factor;
  return g.push_here(n);
}

// A further result of a node; it stands where the node stands.
constexpr int result(graph& g, int of, int number, dims shape, dtype type = dtype::f32) {
  node n{.what = kind::result, .type = type, .scope = g[of].scope, .inputs = 1, .shape = shape};
  n.in[0] = of;
  n.attribute[0] = number;
  return g.push_unique(n);
}

// A loop's variable; its next value is set when the body is complete.
constexpr int carry(graph& g, int first) {
  node n{.what = kind::carry, .type = g[first].type, .inputs = 2, .shape = g[first].shape};
  n.in[0] = first;
  return g.push_here(n);
}

constexpr int final(graph& g, int carry) {
  node n{.what = kind::final, .type = g[carry].type, .inputs = 1, .shape = g[carry].shape};
  n.in[0] = carry;
  return g.push_here(n);
}

// In the loop at hand: element i of the first axis of x, which has one for each iteration.
constexpr int part(graph& g, int x) {
  dims shape;
  for (int i = 1; i < g[x].shape.rank; ++i) shape.push_back(g[x].shape.size[i]);
  node n{.what = kind::part, .type = g[x].type, .inputs = 1, .shape = shape};
  n.in[0] = x;
  return g.push_here(n);
}

// The values of a node of a loop, one after the other; it stands where the loop stands.
constexpr int stack(graph& g, int x) {
  scope_info const& loop = g.scopes[static_cast<std::size_t>(g[x].scope)];
  dims shape{loop.count};
  for (int i = 0; i < g[x].shape.rank; ++i) shape.push_back(g[x].shape.size[i]);
  node n{.what = kind::stack, .type = g[x].type, .scope = static_cast<std::int16_t>(loop.parent), .inputs = 1, .shape = shape};
  n.in[0] = x;
  return g.push_unique(n);
}

}  // namespace formwork::build
