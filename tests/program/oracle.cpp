// The oracle's own teeth: broken programs are refused, and a wrong derivative is found.
#include "formwork/core/philox.hpp"
#include "formwork/ops/cos.hpp"
#include "formwork/ops/exp.hpp"
#include "formwork/ops/tanh.hpp"
#include "formwork/program/describe.hpp"
#include "formwork/trace/attend.hpp"
#include "support/program_test.hpp"
#include "support/random_counter.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

struct body {
  using w_t = parameter<shape<4, 4>>;
  BOOST_HANA_DEFINE_STRUCT(body, (w_t, w));
  constexpr auto operator()(auto const& x) const { return x + tanh(matmul(x, w)); }
};
struct model {
  using a_t = parameter<shape<2, 4>>;
  using blocks_t = repeat<2, body>;
  BOOST_HANA_DEFINE_STRUCT(model, (a_t, a), (blocks_t, blocks));
};

graph looped() {
  return trace_of<model>([](auto const& m, auto const&) { return weighted_sum(transpose<1, 0>(m.blocks(m.a)) * slice<1, 0, 2>(matmul(matrix_transpose(m.a), m.a))); });
}
graph training() { return simplified(differentiated(simplified(looped(), stop_gradients::keep))); }

// Every program that differs from g in one operand, attribute or operation of one node.
template <class F> void for_each_mutant(graph const& g, F const& f) {
  for (int i = 0; i < g.size(); ++i) {
    for (int k = 0; k < g[i].inputs; ++k)
      for (int x = 0; x < g.size(); ++x) {
        if (x == g[i].in[static_cast<std::size_t>(k)]) continue;
        graph h = g;
        h[i].in[static_cast<std::size_t>(k)] = x;
        f(h, i);
      }
    if (g[i].what != kind::map) continue;
    for (const op_info* op : {op_of<ops::add>(), op_of<ops::multiply>(), op_of<ops::subtract>(), op_of<ops::tanh>(), op_of<ops::exp>(), op_of<ops::negate>()}) {
      if (op == g[i].op || op->arity != g[i].op->arity) continue;
      graph h = g;
      h[i].op = op;
      f(h, i);
    }
  }
}

// A derivative that is 1% too large.
struct bent_sine {
  static constexpr auto name = "bent_sine";
  static auto value(auto x) { return std::sin(x); }
  static constexpr auto derivative(auto x, auto, auto dy) { return 1.01 * (dy * cos(x)); }
};

}  // namespace

TEST_CASE("oracle: broken programs are refused") {
  graph g = training();
  REQUIRE(problem_of(g) == "");
  graph late = g;
  std::swap(late.nodes[late.nodes.size() - 1], late.nodes[late.nodes.size() - 2]);
  CHECK(problem_of(late) != "");
  for (int i = 0; i < g.size(); ++i) {
    CAPTURE(i, describe(g));
    graph missing = g;
    if (g[i].inputs > 0) {
      missing[i].in[0] = -1;
      CHECK(problem_of(missing) != "");
    }
    graph reshaped = g;
    reshaped[i].shape.push_back(2);
    CHECK(problem_of(reshaped) != "");
  }
}

TEST_CASE("oracle: a program with one wrong operand or operation is refused or gives another result") {
  graph g = training();
  program_data data(g);
  interpreter right = run_program(g, data);
  int refused = 0, different = 0, same = 0;
  for_each_mutant(g, [&](graph const& h, int) {
    if (problem_of(h) != "") {
      ++refused;
      return;
    }
    interpreter run = run_program(h, data);
    bool equal = true;
    for (std::size_t k = 0; k < g.outputs.size(); ++k) equal = equal && same_values(run.output(k), right.output(k));
    (equal ? same : different) += 1;
  });
  CAPTURE(refused, different, same);
  CHECK(refused > 1000);
  CHECK(different > 100);
  CHECK(same * 20 < different);
}

TEST_CASE("oracle: a derivative that is off by 1% is found") {
  graph g = trace_of<one<shape<3>>>([](auto const& m, auto const&) { return weighted_sum(apply<bent_sine>(m.a)); });
  graph d = differentiated(g);
  program_data data(g);
  interpreter gradients = run_program(d, data), run(g);
  load(run, data);
  std::vector<slope> list;
  for (std::size_t i = 0; i < 3; ++i) {
    auto x = data.parameters[0];
    auto loss = [&](double moved) {
      x[i] = moved;
      run.set_parameter(0, x);
      run.run();
      return run.output(0)[0];
    };
    list.push_back(finite_difference(loss, data.parameters[0][i], gradients.output("a", role::parameter_gradient)[i]));
  }
  CHECK_FALSE(all_good(list));
  CHECK(all_good(list, 1 / 1.01));
}

TEST_CASE("oracle: rounding every result stays near the f64 result, and differs from it") {
  graph g = training();
  program_data data(g);
  interpreter exact = run_program(g, data), rounded = run_program(g, data, rounding::every_result);
  for (std::size_t k = 0; k < g.outputs.size(); ++k) {
    double worst = 0;
    for (std::size_t i = 0; i < exact.output(k).size(); ++i) worst = std::max(worst, std::abs(exact.output(k)[i] - rounded.output(k)[i]));
    CHECK(worst > 0);
    CHECK(worst < 100 * 0x1p-24 * std::max(1.0, largest(exact.output(k))));
  }
}

TEST_CASE("oracle: its random numbers are those of core/philox.hpp") {
  for (std::uint64_t seed : {0ull, 7ull, 0x123456789abcdefull})
    for (std::uint32_t stream : {0u, 3u})
      for (std::uint32_t iteration : {0u, 11u})
        for (std::uint64_t element : {0ull, 1ull, 6ull, 1023ull, (1ull << 40) + 3})
          CHECK(random_counter({seed, 5, stream, iteration, element}) ==
                philox::uniform(seed, std::uint64_t{5} << 32 | stream << 16 | iteration, element));
}
