// The oracle: runs a program node by node on row-major f64 arrays, one plain loop per node, nothing fused, nothing
// shared with the kernels. Integers and booleans are doubles that hold integers.
//
//   interpreter run(g);                       // throws what require_good_program finds wrong with g
//   run.set_input(0, tokens);                 // set_parameter(number, values): a loop's parameter is [copies, shape]
//   run.run();
//   run.output(0);                            // what stands in a loop is [iterations, shape]
//
// interpreter(g, rounding::every_result) is the naive computation in the program's own element types: every node's
// result and every partial sum is rounded. Its distance from the f64 run is what a kernel's error is held against;
// interpreter(g, either_way(n)), for a few n, is a sample of what other roundings would give (see rounding_bound.hpp).
#pragma once

#include <map>
#include <string_view>
#include <utility>

#include "program_check.hpp"
#include "score_body.hpp"

namespace formwork::testing {

class interpreter {
 public:
  using tensor = std::vector<double>;

  explicit interpreter(graph program, rounding r = rounding::none);

  void set_input(int number, tensor x);
  void set_parameter(int number, tensor x);
  void set_random(std::uint64_t seed, std::uint32_t step) { random_seed = seed; random_step = step; }

  // Computes every output.
  void run();

  std::size_t output_count() const { return outputs.size(); }
  tensor const& output(std::size_t number) const { return outputs.at(number); }
  tensor const& output(std::string_view name, role what = role::value) const;
  // A node's value; for a node of a loop [iterations, shape].
  tensor stacked(int id);

 private:
  using place = std::pair<int, long>;  // a node and the iteration of its loops
  graph g;
  rounding rounds;
  std::vector<tensor> inputs, parameters, outputs;
  std::uint64_t random_seed = 0;
  std::uint32_t random_step = 0;
  std::vector<long> at;                           // the iterations at hand, outermost first
  std::map<place, tensor> known;
  std::map<place, std::vector<tensor>> results;   // of attend and attend_backward

  double rounded(double x, dtype t) const { return round_to(x, t, rounds); }
  long iteration(int scope) const;
  // The value of a node at the iterations at hand, computed when first asked for.
  tensor const& get(int id);
  tensor const& operand(node const& n, int k) { return get(n.in[static_cast<std::size_t>(k)]); }
  dims const& shape_of(node const& n, int k) const { return g[n.in[static_cast<std::size_t>(k)]].shape; }
  // The value of a loop variable's next value at iteration i of its loop.
  tensor next_value(node const& carry, long i);
  tensor compute(int id);

  // out = (factor softmax(mask(score(q k')))) v. A query that sees no key: 0, and -infinity.
  tensor attend(int id, node const& n);
  // p = exp(z - lse), dz = p (factor dout v' - delta), delta = dout out', ds = the body's adjoint of the score.
  tensor attend_backward(int id, node const& n);
  score_body body_of(node const& n, dims const& queries, dims const& keys);
  // Evaluates the score and the mask (operand `mask` of the attention) at one place.
  bool visible(score_body& body, std::vector<int> const& list, node const& n, long b, long h, long t, long s, double score, std::size_t mask);
  double product(tensor const& a, std::size_t i, tensor const& b, std::size_t j, long depth, dtype type) const;
};

}  // namespace formwork::testing
