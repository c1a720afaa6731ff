// The body of an attention's score, evaluated at one (batch, head, query, key) after the other.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "formwork/program/graph.hpp"

namespace formwork::testing {

// How results are rounded: not at all, to the nearest, or (numbers from `either_way` on) up or down by chance.
enum class rounding : unsigned { none, every_result, either_way };
constexpr rounding either_way(unsigned number) { return static_cast<rounding>(static_cast<unsigned>(rounding::either_way) + number); }

// One of the two floats around x; equal values go the same way, exact ones stay (random rounding, Vignes 1974).
inline double float_around(double x, rounding r) {
  float y = static_cast<float>(x);
  if (y == x || !std::isfinite(y) || r == rounding::every_result) return y;
  std::uint64_t z = std::bit_cast<std::uint64_t>(x) + 0x9e3779b97f4a7c15u * static_cast<unsigned>(r);  // SplitMix64
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (z ^ (z >> 31)) >> 63 ? y : std::nextafter(y, static_cast<float>(y < x ? INFINITY : -INFINITY));
}

// A node's result, as its element type holds it.
inline double round_to(double x, dtype type, rounding r) {
  switch (type) {
    case dtype::boolean: return x != 0;
    case dtype::i32: case dtype::i64: case dtype::u8: return std::trunc(x);
    case dtype::f32: return r == rounding::none ? x : float_around(x, r);
    case dtype::bf16: return r == rounding::none ? x : static_cast<float>(bf16(static_cast<float>(x)));
    case dtype::f16: return r == rounding::none ? x : static_cast<float>(f16(static_cast<float>(x)));
    case dtype::f64: return x;
  }
  return x;
}

class score_body {
 public:
  using tensor = std::vector<double>;

  // `outside` gives the value of a node that stands outside the body, `random` the random number of a node at `at`.
  score_body(graph const& program, int body, rounding round, std::function<tensor const&(int)> outside, std::function<double(node const&, long const*)> random)
      : g(program), scope(body), rounds(round), value(program.nodes.size(), 0), state(program.nodes.size(), unseen),
        read(std::move(outside)), draw(std::move(random)) {}

  long at[4]{};          // batch, head, query, key
  double score = 0;      // q k'
  double gradient = 0;   // the adjoint of the finished score

  // Nodes that `id` needs, in program order, that no earlier call has named.
  std::vector<int> needs(std::vector<int> roots) {
    std::vector<int> list;
    while (!roots.empty()) {
      int i = roots.back();
      roots.pop_back();
      if (i < 0 || state[static_cast<std::size_t>(i)] != unseen) continue;
      state[static_cast<std::size_t>(i)] = seen;
      node const& n = g[i];
      if (n.scope != scope) {
        if (read(i).size() != 1) throw std::runtime_error("score body: %" + std::to_string(i) + " is not a scalar");
        value[static_cast<std::size_t>(i)] = read(i)[0];
        continue;
      }
      list.push_back(i);
      for (int k = n.what == kind::lookup ? 1 : 0; k < n.inputs; ++k) roots.push_back(n.in[static_cast<std::size_t>(k)]);
    }
    std::sort(list.begin(), list.end());
    return list;
  }

  void evaluate(std::vector<int> const& list) {
    for (int i : list) value[static_cast<std::size_t>(i)] = round_to(compute(g[i]), g[i].type, rounds);
  }
  double operator[](int id) const { return value[static_cast<std::size_t>(id)]; }

  // Where a lookup reads: the row-major offset of the table's element nearest to its indices.
  std::size_t offset(int lookup) const {
    node const& n = g[lookup];
    dims table = g[n.in[0]].shape;
    long where = 0;
    for (int k = 0; k < table.rank; ++k) {
      long i = static_cast<long>(value[static_cast<std::size_t>(n.in[static_cast<std::size_t>(1 + k)])]);
      where = where * table.size[k] + std::clamp(i, 0L, table.size[k] - 1);
    }
    return static_cast<std::size_t>(where);
  }

 private:
  enum mark : char { unseen, seen };
  graph const& g;
  int scope;
  rounding rounds;
  std::vector<double> value;
  std::vector<mark> state;
  std::function<tensor const&(int)> read;
  std::function<double(node const&, long const*)> draw;

  double compute(node const& n) const {
    double x[max_operands]{};
    switch (n.what) {
      case kind::score: return score;
      case kind::score_gradient: return gradient;
      case kind::constant: return n.number;
      case kind::index: return static_cast<double>(at[n.attribute[0]]);
      case kind::random: return draw(n, at);
      case kind::cast: return value[static_cast<std::size_t>(n.in[0])];
      case kind::map:
        for (int k = 0; k < n.inputs; ++k) x[k] = value[static_cast<std::size_t>(n.in[static_cast<std::size_t>(k)])];
        return n.op->evaluate(x);
      case kind::lookup: return read(n.in[0])[offset(static_cast<int>(&n - g.nodes.data()))];
      default: throw std::runtime_error("score body: " + std::string(name_of(n.what)) + " is not elementwise");
    }
  }
};

}  // namespace formwork::testing
