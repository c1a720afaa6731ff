// One node of the program: plain data. What `in` and `attribute` mean for each kind stands here and nowhere else.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "../core/dtype.hpp"
#include "../shape/dims.hpp"
#include "op.hpp"

namespace formwork {

enum class kind : std::uint8_t {
  input,            // the caller's tensor                      attribute: {number}
  parameter,        // a trained tensor; in a loop: one per iteration  attribute: {number}
  constant,         // `number`, rank 0
  index,            // the coordinate along an axis, i32        attribute: {axis}; in a score: 0 batch, 1 head, 2 query, 3 key
  random,           // uniform in [0, 1), Philox                attribute: {stream}; in a score: element (batch, head, query, key)
  map,              // elementwise `op`                         in: operands of the same shape   attribute: {1: stays in its loop}
  cast,             // elementwise conversion to `type`         in: x
  broadcast,        // sizes of 1 and missing axes repeated     in: x
  transpose,        //                                          in: x   attribute: permutation, out axis -> in axis
  reshape,          // same elements in row-major order         in: x
  slice,            //                                          in: x   attribute: first index per axis
  pad,              // zeros around                             in: x   attribute: first index per axis
  concatenate,      //                                          in: 2 to 6 parts   attribute: {axis}
  sum,              // over axes, kept with size 1              in: x   attribute: {bit mask of axes}
  maximum,          // the same                                 in: x   attribute: {bit mask of axes}
  contract,         // (..., M, K) (..., K, N) -> (..., M, N)   in: a, b
  gather,           // rows of a table: (R, ...) [i] -> (i..., ...)   in: table, indices
  scatter,          // base + rows added at indices             in: base or -1, indices, updates
  replace,          // a state whose rows at indices are others, in the state's own memory; no row for an index outside
                    //                                          in: state, indices, rows
  lookup,           // one element of a table inside a score    in: table, one index per axis
  lookup_gradient,  // adds to the gradient of a lookup's table  in: lookup, adjoint, next lookup_gradient or -1
  attend,           // (factor softmax(mask(score(q k')))) v; q: (B, T, H, D), k, v: (B, S, G, D)
                    //   in: q, k, v, score, mask or -1   attribute: {body scope}   results: out, log-sum-exp (B, H, T)
  attend_backward,  // in: q, k, v, out, log-sum-exp, dout, score, its adjoint, mask or -1, first lookup_gradient or -1
                    //   attribute: {body scope}   results: dq, dk, dv, then one gradient per lookup_gradient
  result,           // a further result of a node               in: node   attribute: {number}
  score,            // q k' inside a score's body
  score_gradient,   // the adjoint of the score, in the body of a backward
  weigh,            // a finished score, and the factor of its probability   in: score, factor
  carry,            // a loop's variable                        in: first value, next value
  final,            // a loop's variable after the loop         in: carry
  part,             // in a loop of n iterations: element i of the first axis, (n, ...) -> (...)   in: x from before the loop
  stack,            // after the loop: what its iterations had, (...) -> (n, ...)   in: x in the loop
};

constexpr std::string_view name_of(kind k) {
  constexpr std::string_view names[] = {
      "input", "parameter", "constant", "index", "random", "map", "cast", "broadcast", "transpose",
      "reshape", "slice", "pad", "concatenate", "sum", "maximum", "contract", "gather", "scatter", "replace", "lookup",
      "lookup_gradient", "attend", "attend_backward", "result", "score", "score_gradient", "weigh", "carry", "final", "part", "stack"};
  return names[static_cast<int>(k)];
}

struct node {
  kind what{};
  dtype type = dtype::f32;
  std::int16_t scope = 0;  // 0: the program itself; else a loop or a score's body, see graph::scopes
  std::int16_t inputs = 0;
  dims shape{};
  std::array<int, 10> in{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  std::array<int, 6> attribute{};
  const op_info* op = nullptr;
  double number = 0;
};

constexpr bool same_content(node const& a, node const& b) {
  return a.what == b.what && a.type == b.type && a.scope == b.scope && a.inputs == b.inputs && a.op == b.op &&
         a.number == b.number && a.in == b.in && a.attribute == b.attribute && a.shape == b.shape;
}

// Elementwise: the result at a coordinate depends on the operands at that coordinate only.
constexpr bool is_elementwise(kind k) { return k == kind::map || k == kind::cast; }
// A view only renames coordinates; it never computes.
constexpr bool is_view(kind k) {
  return k == kind::broadcast || k == kind::transpose || k == kind::reshape || k == kind::slice;
}
constexpr bool is_reduction(kind k) { return k == kind::sum || k == kind::maximum; }
// What a loop reads or leaves iteration by iteration: a value under another name, which lies where that value lies.
constexpr bool is_loop_view(kind k) { return k == kind::part || k == kind::stack; }
// A leaf is computed from coordinates alone.
constexpr bool is_generator(kind k) { return k == kind::constant || k == kind::index || k == kind::random; }

}  // namespace formwork
