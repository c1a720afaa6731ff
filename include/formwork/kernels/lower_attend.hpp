// Attention becomes a kernel: heads become strided arguments, the score's body becomes the tape.
//   forward arguments:   q, k, v, out, log-sum-exp, tables ...
//   backward arguments:  q, k, v, out, log-sum-exp, dout, dq, dk, dv, gradients of tables ..., tables ...
// Where random numbers are drawn, one argument more, absent from memory, whose address numbers the pairs.
#pragma once

#include "lower_contract.hpp"

namespace formwork {

namespace detail {

class attend_lowering : lowering {
 public:
  using lowering::lowering;

  constexpr void run() {
    k.what = group_.what;
    k.scope = group_.scope;
    k.group = group_number;
    number.assign(g.nodes.size(), -1);
    int anchor = group_.members[0];
    for (int x : group_.members)
      if (g[x].what == group_kind()) anchor = x;
    node const& n = g[anchor];
    k.type = accumulation_of(n.type);
    k.shape[0] = n.shape;
    k.shape[1] = g[n.in[1]].shape;
    for (int j = 0; j < 3; ++j) heads(n.in[static_cast<std::size_t>(j)], false);
    if (k.what == skeleton::attend) {
      heads(anchor, true);
      result_argument(anchor, 1, true);
      finish_score(n.in[3]);
      k.results[2] = slot_of(n.in[4]);
    } else {
      heads(n.in[3], false);
      flat(n.in[4], false);
      heads(n.in[5], false);
      heads(anchor, true);
      for (int r = 1; r <= 2; ++r) heads(result_of(anchor, r), true);
      int share = n.in[9], r = 3;
      for (int c = share; c >= 0; c = g[c].in[2]) flat(result_of(anchor, r++), true);
      finish_score(n.in[6]);
      k.results[1] = slot_of(n.in[7]);
      k.results[2] = slot_of(n.in[8]);
      int at = 9;
      for (int c = share; c >= 0; c = g[c].in[2]) {
        instruction i{.what = opcode::lookup_gradient, .type = g[c].type, .argument = at++};
        node const& looked = g[g[c].in[0]];
        i.in[0] = slot_of(g[c].in[1]);
        for (int j = 1; j < looked.inputs; ++j) i.in[j] = slot_of(looked.in[static_cast<std::size_t>(j)]);
        k.tape.push_back(i);
      }
    }
  }

 private:
  std::vector<int> number;  // body node -> instruction
  int pairs = -1;           // the argument that numbers them

  constexpr kind group_kind() const { return k.what == skeleton::attend ? kind::attend : kind::attend_backward; }

  constexpr void finish_score(int x) {
    const finished_score s = finished_score_of(g, x);
    k.results[0] = slot_of(s.score);
    if (s.factor < 0) return;
    instruction i{.what = opcode::weigh, .type = g[s.factor].type};
    i.in[0] = slot_of(s.factor);
    k.tape.push_back(i);
  }

  // Pair (batch, head, query, key) is number ((batch H + head) T + query) S + key.
  constexpr int pair_numbers() {
    if (pairs >= 0) return pairs;
    const long extent[] = {k.shape[0].size[0], k.shape[0].size[2], k.shape[0].size[1], k.shape[1].size[1]};
    argument a;
    a.row.rank = 4;
    long stride = 1;
    for (int j = 3; j >= 0; stride *= extent[j--]) {
      a.row.extent[j] = extent[j];
      a.row.stride[j] = stride;
    }
    k.arguments.push_back(a);
    return pairs = static_cast<int>(k.arguments.size()) - 1;
  }

  constexpr int result_of(int of, int which) const {
    for (int i = 0; i < g.size(); ++i)
      if (g[i].what == kind::result && g[i].in[0] == of && g[i].attribute[0] == which) return i;
    return -1;
  }

  // A result that nobody reads has no place: its argument points nowhere.
  constexpr void result_argument(int of, int which, bool write) {
    int r = result_of(of, which);
    if (r >= 0) flat(r, write);
    else nowhere(g[of].type, write);
  }

  constexpr void nowhere(dtype type, bool write) {
    argument a;
    a.type = type;
    a.write = write;
    k.arguments.push_back(a);
  }

  constexpr argument argument_of(int x, bool write, access& a) const {
    a = resolve(g, x, placed_layout{g, m});
    if (!a.ok) throw "an operand of attention has no strides: copy it first";
    argument r;
    r.type = g[x].type;
    r.write = write;
    r.from = where(a.source);
    r.offset = a.offset;
    r.node = a.source;
    return r;
  }

  // (B, T, H, D), D contiguous: row.stride holds the strides of B, T and H.
  constexpr void heads(int x, bool write) {
    if (x < 0) {
      nowhere(dtype::f32, write);
      return;
    }
    access a;
    argument r = argument_of(x, write, a);
    if (a.shape.size[3] > 1 && a.stride.size[3] != 1) throw "the last axis of an attention's operand must be contiguous: copy it first";
    r.row.rank = 3;
    for (int j = 0; j < 3; ++j) {
      r.row.extent[j] = a.shape.size[j];
      r.row.stride[j] = a.stride.size[j];
    }
    k.arguments.push_back(r);
  }

  constexpr void flat(int x, bool write) {
    access a;
    argument r = argument_of(x, write, a);
    table_address(r, a);
    k.arguments.push_back(r);
  }
  // One axis per index of a lookup.
  static constexpr void table_address(argument& r, access const& a) {
    r.row.rank = a.shape.rank;
    for (int j = 0; j < a.shape.rank; ++j) {
      r.row.extent[j] = a.shape.size[j];
      r.row.stride[j] = a.stride.size[j];
    }
  }

  constexpr int slot_of(int x) {
    if (x < 0) return -1;
    int& s = number[static_cast<std::size_t>(x)];
    if (s >= 0) return s;
    node const& n = g[x];
    instruction i{.type = n.type};
    bool inside = g.scopes[static_cast<std::size_t>(n.scope)].what == scope_kind::score;
    if (!inside) {
      constant_value c = constant_of(g, x);
      i.number = c.number;
      i.what = c.known ? opcode::constant : opcode::lookup;
      if (!c.known) i.argument = table(x);
    } else {
      switch (n.what) {
        case kind::index:
          i.what = opcode::index;
          i.inner = n.attribute[0];
          break;
        case kind::random:
          if (n.shape.rank != 0) throw "a score draws one random number for each pair: random_like(at.query)";
          i.what = opcode::random;
          i.inner = n.attribute[0];
          i.argument = pair_numbers();
          break;
        case kind::score: i.what = opcode::score; break;
        case kind::score_gradient: i.what = opcode::score_gradient; break;
        case kind::constant:
          i.what = opcode::constant;
          i.number = n.number;
          break;
        case kind::lookup:
          i.what = opcode::lookup;
          i.argument = table(n.in[0]);
          for (int j = 1; j < n.inputs; ++j) i.in[j - 1] = slot_of(n.in[static_cast<std::size_t>(j)]);
          break;
        case kind::map: case kind::cast:
          i.what = n.what == kind::map ? opcode::map : opcode::cast;
          i.op = n.op;
          for (int j = 0; j < n.inputs; ++j) i.in[j] = slot_of(n.in[static_cast<std::size_t>(j)]);
          break;
        default: throw "a score may use elementwise work, coordinates, lookups and random numbers only";
      }
    }
    k.tape.push_back(i);
    return number[static_cast<std::size_t>(x)] = static_cast<int>(k.tape.size()) - 1;
  }

  constexpr int table(int x) {
    access a;
    argument r = argument_of(x, false, a);
    table_address(r, a);
    k.arguments.push_back(r);
    return static_cast<int>(k.arguments.size()) - 1;
  }
};

}  // namespace detail

// The kernels of a fused and planned program, in the order in which they run.
constexpr std::vector<kernel_data> lower(fusion const& f, memory_plan const& m) {
  std::vector<kernel_data> kernels(f.order.size());
  for (std::size_t i = 0; i < f.order.size(); ++i) {
    int k = f.order[i];
    skeleton what = f.groups[static_cast<std::size_t>(k)].what;
    if (what == skeleton::attend || what == skeleton::attend_backward) detail::attend_lowering(f, m, k, kernels[i]).run();
    else if (what == skeleton::contract) detail::contract_lowering(f, m, k, kernels[i]).run();
    else detail::lowering(f, m, k, kernels[i]).run();
  }
  return kernels;
}

}  // namespace formwork
