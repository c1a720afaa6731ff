#include "formwork/ops/exp.hpp"
#include "formwork/ops/tanh.hpp"
#include "formwork/program/describe.hpp"
#include "formwork/trace/attend.hpp"
#include "support/program_test.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

// The nodes of a kind, or of an operation.
int count(graph const& g, kind what) {
  int n = 0;
  for (node const& x : g.nodes) n += x.what == what;
  return n;
}
template <class Op> int count(graph const& g) {
  int n = 0;
  for (node const& x : g.nodes) n += x.what == kind::map && x.op == op_of<Op>();
  return n;
}

template <class Module, class Inputs = nothing, class Function> graph simplified(Function f) {
  graph g = trace_of<Module, Inputs>(f);
  return check_simplify(g, program_data(g));
}
node const& result_of(graph const& g) { return g[g.outputs[0].node]; }

}  // namespace

TEST_CASE("simplify: equal nodes are one") {
  graph g = simplified<two<shape<3>, shape<3>>>([](auto const& m, auto const&) { return m.a * m.b + m.b * m.a + exp(m.a) * exp(m.a); });
  CHECK(count<ops::exp>(g) == 1);
  CHECK(count<ops::multiply>(g) == 2);
  graph h = simplified<two<shape<3>, shape<3>>>([](auto const& m, auto const&) { return (m.a - m.b) * (m.b - m.a); });
  CHECK(count<ops::subtract>(h) == 2);
}

TEST_CASE("simplify: random numbers are never shared") {
  graph g = simplified<one<shape<3>>>([](auto const& m, auto const&) { return random_like(m.a) - random_like(m.a); });
  CHECK(count(g, kind::random) == 2);
  CHECK(largest(run_program(g, program_data(g)).output(0)) > 0);
}

TEST_CASE("simplify: casts by way of a type that holds every number go") {
  auto casts = [](auto f) { return count(simplified<one<shape<3>>>(f), kind::cast); };
  CHECK(casts([](auto const& m, auto const&) { return cast<dtype::f32>(cast<dtype::f64>(m.a)); }) == 0);
  CHECK(casts([](auto const& m, auto const&) { return cast<dtype::bf16>(cast<dtype::f64>(m.a)); }) == 1);
  CHECK(casts([](auto const& m, auto const&) { return cast<dtype::f64>(cast<dtype::f32>(cast<dtype::f32>(cast<dtype::bf16>(m.a)))); }) == 2);
  // These round.
  CHECK(casts([](auto const& m, auto const&) { return cast<dtype::f32>(cast<dtype::bf16>(m.a)); }) == 2);
  CHECK(casts([](auto const& m, auto const&) { return cast<dtype::f16>(cast<dtype::bf16>(m.a)); }) == 2);
  CHECK(casts([](auto const& m, auto const&) { return cast<dtype::f32>(cast<dtype::i32>(m.a)); }) == 2);
  static_assert(holds_all_of(dtype::bf16, dtype::u8) && holds_all_of(dtype::f64, dtype::i32) && holds_all_of(dtype::i32, dtype::boolean));
  static_assert(!holds_all_of(dtype::f32, dtype::i32) && !holds_all_of(dtype::f64, dtype::i64) && !holds_all_of(dtype::boolean, dtype::u8));
}

TEST_CASE("simplify: dead code goes, parameters and inputs stay") {
  graph g = simplified<two<shape<3>, shape<3>>, numbers<shape<2>>>([](auto const& m, auto const&) {
    auto dead = exp(m.b) * 2;
    (void)dead;
    return m.a;
  });
  CHECK(g.size() == 3);
  CHECK(count(g, kind::parameter) == 2);
  CHECK(count(g, kind::input) == 1);
}

TEST_CASE("simplify: neutral elements") {
  auto is_operand = [](auto f) {
    graph g = simplified<one<shape<3>>>(f);
    return g.size() == 1 && g.outputs[0].node == g.parameters[0].node;
  };
  CHECK(is_operand([](auto const& m, auto const&) { return m.a + 0; }));
  CHECK(is_operand([](auto const& m, auto const&) { return 0 + m.a; }));
  CHECK(is_operand([](auto const& m, auto const&) { return m.a - 0; }));
  CHECK(is_operand([](auto const& m, auto const&) { return m.a * 1; }));
  CHECK(is_operand([](auto const& m, auto const&) { return m.a / 1; }));
  CHECK(is_operand([](auto const& m, auto const&) { return 0 - (0 - m.a); }));
  CHECK(is_operand([](auto const& m, auto const&) { return 0.5 * (m.a * 4) * 0.5; }));
  CHECK(is_operand([](auto const& m, auto const&) { return m.a + (m.a * 0) * 5; }));
  CHECK(is_operand([](auto const& m, auto const&) { return stop_gradient(stop_gradient(m.a)); }));
  CHECK_FALSE(is_operand([](auto const& m, auto const&) { return 1 - m.a; }));
  CHECK_FALSE(is_operand([](auto const& m, auto const&) { return 1 / m.a; }));
}

TEST_CASE("simplify: constants are folded") {
  graph g = simplified<one<shape<2, 3>>>([](auto const& m, auto const&) {
    auto two = constant(m.a, 2.0);
    auto three = broadcast_to<2, 3>(constant(m.a, 3.0));
    return m.a * (two * three - 5 / two) + sum<1>(three) + maximum<>(three) * sum<>(transpose<1, 0>(three - 2.5)) * slice<0, 1, 1>(reshape<6>(three));
  });
  CHECK(count<ops::multiply>(g) == 1);
  CHECK(count<ops::add>(g) == 2);
  CHECK(count(g, kind::sum) + count(g, kind::maximum) + count<ops::divide>(g) + count<ops::subtract>(g) == 0);
}

TEST_CASE("simplify: integers are divided as integers") {
  graph g = simplified<nothing, indices<shape<2>>>([](auto const&, auto const& in) {
    auto seven = constant<dtype::i32>(in.i, 7), two = constant<dtype::i32>(in.i, 2);
    return seven / two * two + in.i * 0 + constant<dtype::i32>(in.i, -7) / two * 10;
  });
  CHECK(run_program(g, program_data(g)).output(0) == std::vector<double>{-24, -24});
}

TEST_CASE("simplify: a division by zero is left to the program") {
  graph g = trace_of<one<shape<2>>>([](auto const& m, auto const&) { return m.a + 1 / constant(m.a, 0.0); });
  interpreter run = run_program(simplified(g), program_data(g));
  CHECK(std::isinf(run.output(0)[0]));
}

TEST_CASE("simplify: a transposition and its inverse cancel") {
  graph g = simplified<one<shape<2, 3, 4>>>([](auto const& m, auto const&) { return transpose<1, 2, 0>(transpose<2, 0, 1>(m.a)); });
  CHECK(g.size() == 1);
  graph twice = simplified<one<shape<3, 4>>>([](auto const& m, auto const&) { return matrix_transpose(exp(matrix_transpose(m.a))); });
  CHECK(count(twice, kind::transpose) == 2);
  graph composed = simplified<one<shape<2, 3, 4>>>([](auto const& m, auto const&) { return transpose<1, 0, 2>(transpose<2, 0, 1>(m.a)); });
  CHECK(count(composed, kind::transpose) == 1);
}

TEST_CASE("simplify: a reshape round trip cancels") {
  graph g = simplified<one<shape<2, 6>>>([](auto const& m, auto const&) { return reshape<2, 6>(reshape<12>(reshape<3, 4>(m.a))); });
  CHECK(g.size() == 1);
  graph h = simplified<one<shape<2, 6>>>([](auto const& m, auto const&) { return reshape<12>(reshape<3, 4>(m.a)); });
  CHECK(h.size() == 2);
}

TEST_CASE("simplify: what repeats is computed once") {
  graph g = simplified<two<shape<4>, shape<4>>>(
      [](auto const& m, auto const&) { return tanh(broadcast_to<3, 4>(m.a) * broadcast_to<3, 4>(m.b) + 1); });
  for (node const& n : g.nodes)
    if (n.what == kind::map) CHECK(n.shape == dims{4});
  // Operands that repeat along different axes.
  simplified<two<shape<>, shape<4>>>([](auto const& m, auto const&) { return broadcast_to<3, 4>(m.a) * broadcast_to<3, 4>(m.b); });
  simplified<two<shape<>, shape<4>>>([](auto const& m, auto const&) { return broadcast_to<3, 4>(m.b) - m.a; });
  simplified<two<shape<>, shape<4>>>([](auto const& m, auto const&) { return m.a - broadcast_to<3, 4>(m.b); });
  simplified<two<shape<3, 1>, shape<1, 4>>>([](auto const& m, auto const&) { return broadcast_to<2, 3, 4>(m.a) - broadcast_to<2, 3, 4>(m.b); });
  graph scalar = simplified<one<shape<>>>([](auto const& m, auto const&) { return exp(broadcast_to<2, 2>(m.a) * 2); });
  CHECK(result_of(scalar).what == kind::broadcast);
}

namespace {
struct body {
  using w_t = parameter<shape<3>>;
  BOOST_HANA_DEFINE_STRUCT(body, (w_t, w));
  constexpr auto operator()(auto const& x, auto const& same) const { return tanh(x * w + exp(same) / sum<>(same)); }
};
struct stack {
  using a_t = parameter<shape<3>>;
  using blocks_t = repeat<4, body>;
  BOOST_HANA_DEFINE_STRUCT(stack, (a_t, a), (blocks_t, blocks));
};
}  // namespace

TEST_CASE("simplify: what does not change in a loop is computed before it") {
  graph g = simplified<stack>([](auto const& m, auto const&) { return m.blocks(m.a, m.a); });
  for (node const& n : g.nodes) {
    if (n.what == kind::sum) CHECK(n.scope == 0);
    if (n.what == kind::map && (n.op == op_of<ops::exp>() || n.op == op_of<ops::divide>())) CHECK(n.scope == 0);
    if (n.what == kind::map && n.op == op_of<ops::tanh>()) CHECK(n.scope != 0);
  }
}

TEST_CASE("simplify: a score's body keeps what depends on the position") {
  graph g = simplified<four<shape<1, 3, 2, 2>, shape<1, 3, 2, 2>, shape<1, 3, 2, 2>, shape<>>>([](auto const& m, auto const&) {
    auto score = [&](auto s, auto at) { return s * exp(m.d) + cast<dtype::f32>(at.key - at.query) * (m.d + m.d * 0); };
    return attend(m.a, m.b, m.c, with_score(score), with_mask(causal));
  });
  for (node const& n : g.nodes) {
    if (n.what == kind::map && n.op == op_of<ops::exp>()) CHECK(n.scope == 0);
    if (n.what == kind::index || (n.what == kind::map && n.op == op_of<ops::subtract>())) CHECK(n.scope != 0);
  }
}

TEST_CASE("simplify: stop_gradient stays until differentiation, if asked") {
  graph g = trace_of<one<shape<3>>>([](auto const& m, auto const&) { return stop_gradient(m.a * 1) * m.a; });
  CHECK(count<ops::stop_gradient>(simplified(g, stop_gradients::keep)) == 1);
  CHECK(count<ops::stop_gradient>(simplified(g)) == 0);
}

TEST_CASE("describe: every node and output has its line") {
  graph g = trace_of<stack>([](auto const& m, auto const&) { return weighted_sum(m.blocks(m.a, m.a)); });
  graph d = simplified(differentiated(g));
  std::string text = describe(d);
  CHECK(std::count(text.begin(), text.end(), '\n') == d.size() + static_cast<long>(d.outputs.size()));
  for (int i = 0; i < d.size(); ++i) CHECK(text.find("%" + std::to_string(i) + " = ") != std::string::npos);
  CHECK(text.find("parameter blocks.*.w : f32[3]  (loop 4, scope 1)") != std::string::npos);
  CHECK(text.find("loop 4 reversed") != std::string::npos);
  CHECK(text.find("as result") != std::string::npos);
  CHECK(text.find("as gradient of blocks.*.w") != std::string::npos);
}
