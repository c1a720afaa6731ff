#include "formwork/ops/exp.hpp"
#include "formwork/ops/gelu_tanh.hpp"
#include "formwork/ops/greater.hpp"
#include "formwork/ops/log.hpp"
#include "formwork/ops/maximum.hpp"
#include "formwork/ops/rsqrt.hpp"
#include "formwork/ops/sigmoid.hpp"
#include "formwork/ops/silu.hpp"
#include "formwork/ops/tanh.hpp"
#include "support/program_test.hpp"

using namespace formwork;
using namespace formwork::testing;

TEST_CASE("differentiate: elementwise operations between broadcasts") {
  check_gradients<two<shape<3, 4>, shape<4>>>([](auto const& m, auto const&) { return weighted_sum(m.a * m.b + m.a); });
  check_gradients<two<shape<3, 1>, shape<4>>>([](auto const& m, auto const&) { return weighted_sum(tanh(m.a - m.b) / (2 + m.b)); });
  check_gradients<three<shape<2, 3, 4>, shape<3, 1>, shape<>>>(
      [](auto const& m, auto const&) { return weighted_sum(silu(m.a * m.c) * exp(m.b) - m.c); });
  check_gradients<two<shape<4>, shape<>>>([](auto const& m, auto const&) { return weighted_sum(broadcast_to<3, 4>(m.a) * m.b); });
  check_gradients<two<shape<>, shape<4>>>([](auto const& m, auto const&) { return weighted_sum(broadcast_to<3, 4>(m.b) - m.a); });
  check_gradients<two<shape<>, shape<4>>>([](auto const& m, auto const&) { return weighted_sum(m.a - broadcast_to<3, 4>(m.b)); });
  check_gradients<two<shape<1, 4>, shape<4>>>(
      [](auto const& m, auto const&) { return weighted_sum(broadcast_to<3, 4>(m.a) * broadcast_to<3, 4>(m.b)); });
}

TEST_CASE("differentiate: a value that is used many times") {
  check_gradients<one<shape<5>>>([](auto const& m, auto const&) {
    auto s = sigmoid(m.a);
    return weighted_sum(s * s * m.a + s / (1 + m.a * m.a) + s);
  });
  check_gradients<one<shape<>>>([](auto const& m, auto const&) { return m.a; });
  check_gradients<one<shape<>>>([](auto const& m, auto const&) { return m.a * m.a * m.a; });
}

TEST_CASE("differentiate: gradients of inputs") {
  check_gradients<two<shape<4, 3>, shape<3>>, numbers<shape<2, 4>>>(
      [](auto const& m, auto const& in) { return weighted_sum(tanh(matmul(in.x, m.a) + m.b) * 2); });
}

TEST_CASE("differentiate: a parameter that the loss does not depend on has gradient zero") {
  check_gradients<two<shape<3>, shape<2, 2>>>([](auto const& m, auto const&) { return weighted_sum(m.a); });
  graph d = differentiated(trace_of<two<shape<3>, shape<2, 2>>>([](auto const& m, auto const&) { return weighted_sum(m.a); }));
  CHECK(run_program(d, program_data(d)).output("b", role::parameter_gradient) == std::vector<double>(4, 0.0));
}

TEST_CASE("differentiate: stop_gradient stops") {
  auto stopped = [](auto const& m, auto const&) { return weighted_sum(stop_gradient(m.a * m.a) * m.b); };
  graph g = trace_of<two<shape<3>, shape<3>>>(stopped), d = simplified(differentiated(simplified(g, stop_gradients::keep)));
  interpreter run = run_program(d, program_data(d));
  CHECK(run.output("a", role::parameter_gradient) == std::vector<double>(3, 0.0));
  CHECK(largest(run.output("b", role::parameter_gradient)) > 0);
}

TEST_CASE("differentiate: sums over each set of axes") {
  check_gradients<one<shape<2, 3, 4>>>([](auto const& m, auto const&) {
    auto x = m.a * m.a;
    return weighted_sum(sum<0>(x)) + weighted_sum(sum<1>(x)) + weighted_sum(sum<-1>(x)) + weighted_sum(sum<0, 1>(x)) +
           weighted_sum(sum<0, -1>(x)) + weighted_sum(sum<1, 2>(x)) + weighted_sum(mean<>(x)) + weighted_sum(variance<0, 2>(x));
  });
}

TEST_CASE("differentiate: maximum over each set of axes") {
  check_gradients<one<shape<2, 3, 4>>>([](auto const& m, auto const&) {
    auto x = m.a * m.a;
    return weighted_sum(maximum<0>(x)) + weighted_sum(maximum<1>(x)) + weighted_sum(minimum<-1>(x)) + weighted_sum(maximum<0, 2>(x)) +
           weighted_sum(maximum<>(x));
  });
}

TEST_CASE("differentiate: equal maxima share the gradient equally") {
  graph d = simplified(differentiated(
      trace_of<one<shape<2, 4>>>([](auto const& m, auto const&) { return weighted_sum(maximum<-1>(m.a)); })));
  interpreter run(d);
  run.set_parameter(0, {1, 3, 3, 2, 5, 5, 5, 5});
  run.run();
  double a = std::sin(0.3), b = std::sin(1.0);
  CHECK(same_values(run.output("a", role::parameter_gradient), {0, a / 2, a / 2, 0, b / 4, b / 4, b / 4, b / 4}));
}

TEST_CASE("differentiate: views") {
  check_gradients<one<shape<2, 3, 4>>>([](auto const& m, auto const&) { return weighted_sum(tanh(transpose<2, 0, 1>(m.a)) * 2); });
  check_gradients<one<shape<2, 3, 4>>>([](auto const& m, auto const&) { return weighted_sum(exp(reshape<4, 6>(m.a)) * reshape<4, 6>(m.a)); });
  check_gradients<one<shape<2, 3, 4>>>([](auto const& m, auto const&) { return weighted_sum(tanh(slice<1, 1, 2>(m.a)) * slice<1, 0, 2>(m.a)); });
  check_gradients<two<shape<2, 3>, shape<2, 4>>>([](auto const& m, auto const&) { return weighted_sum(tanh(concatenate<1>(m.a, m.b, m.a))); });
  check_gradients<one<shape<2, 6>>>([](auto const& m, auto const&) {
    auto [x, y, z] = split<-1, 3>(exp(m.a));
    return weighted_sum(x * y + y / z);
  });
  check_gradients<one<shape<4, 2>>>([](auto const& m, auto const&) {
    auto [x, y] = split<0, 2>(m.a);
    return weighted_sum(x * x) + weighted_sum(y) + weighted_sum(slice<0, 1, 2>(m.a) * x);
  });
  check_gradients<two<shape<2, 1, 3>, shape<2, 3>>>(
      [](auto const& m, auto const&) { return weighted_sum(squeeze<1>(m.a) * m.b + unsqueeze<0>(m.b)); });
}

TEST_CASE("differentiate: matrix products of each combination of ranks") {
  check_gradients<two<shape<2, 3>, shape<3, 4>>>([](auto const& m, auto const&) { return weighted_sum(matmul(m.a, m.b)); });
  check_gradients<two<shape<2, 2, 3>, shape<3, 4>>>([](auto const& m, auto const&) { return weighted_sum(tanh(matmul(m.a, m.b))); });
  check_gradients<two<shape<2, 3>, shape<3, 3, 4>>>([](auto const& m, auto const&) { return weighted_sum(matmul(m.a, m.b)); });
  check_gradients<two<shape<2, 2, 3>, shape<2, 3, 2>>>([](auto const& m, auto const&) { return weighted_sum(matmul(m.a, tanh(m.b))); });
  check_gradients<two<shape<2, 1, 2, 3>, shape<3, 3, 2>>>([](auto const& m, auto const&) { return weighted_sum(matmul(m.a, m.b)); });
  check_gradients<two<shape<4, 3>, shape<2, 3>>>([](auto const& m, auto const&) { return weighted_sum(matmul(m.a, matrix_transpose(m.b))); });
  check_gradients<one<shape<3, 3>>>([](auto const& m, auto const&) { return weighted_sum(matmul(m.a, matmul(m.a, m.a))); });
}

TEST_CASE("differentiate: gather with repeated indices") {
  check_gradients<two<shape<4, 3>, shape<3>>, indices<shape<2, 5>>>(
      [](auto const& m, auto const& in) { return weighted_sum(tanh(gather(m.a, in.i)) * m.b + gather(m.a, in.i)); });
  check_gradients<one<shape<4>>, indices<shape<6>>>([](auto const& m, auto const& in) { return weighted_sum(gather(m.a * m.a, in.i)); });
  check_gradients<one<shape<4, 2, 2>>, indices<shape<>>>([](auto const& m, auto const& in) { return weighted_sum(gather(m.a, in.i)); });
}

TEST_CASE("differentiate: rows scattered onto a base") {
  graph g = trace_of<two<shape<4, 2>, shape<5, 2>>, indices<shape<5>>>([](auto const& m, auto const& in) {
    using base = shape<4, 2>;
    auto squares = m.a * m.a;
    value<dtype::f32, base> sum{m.a.g, build::scatter(*m.a.g, squares.id, in.i.id, m.b.id, base::value)};
    value<dtype::f32, base> rows{m.a.g, build::scatter(*m.a.g, -1, in.i.id, m.b.id, base::value)};
    return weighted_sum(tanh(sum) * rows);
  });
  check_gradients(g);
}

TEST_CASE("differentiate: pick and one_hot") {
  check_gradients<one<shape<2, 3, 4>>, indices<shape<2, 3>>>([](auto const& m, auto const& in) { return weighted_sum(pick(exp(m.a), in.i)); });
  check_gradients<one<shape<4>>, indices<shape<3>>>(
      [](auto const& m, auto const& in) { return weighted_sum(select(one_hot<4>(in.i), m.a * m.a, 0.5 * m.a)); });
}

TEST_CASE("differentiate: softmax, log-softmax and layer norm as expressions") {
  check_gradients<one<shape<3, 5>>>([](auto const& m, auto const&) {
    auto e = exp(m.a - stop_gradient(maximum<-1>(m.a)));
    return weighted_sum(e / sum<-1>(e)) + weighted_sum(m.a - log_sum_exp<-1>(m.a)) + weighted_sum(log_sum_exp<>(m.a));
  }, {.low = -3, .high = 3});
  check_gradients<three<shape<3, 5>, shape<5>, shape<5>>>([](auto const& m, auto const&) {
    auto centred = m.a - mean<-1>(m.a);
    return weighted_sum(gelu_tanh(centred * rsqrt(mean<-1>(centred * centred) + 1e-5f) * m.b + m.c));
  });
  check_gradients<one<shape<3, 4>>, indices<shape<3>>>(
      [](auto const& m, auto const& in) { return mean<>(squeeze<-1>(log_sum_exp<-1>(m.a)) - pick(m.a, in.i)); });
}

TEST_CASE("differentiate: casts pass gradients between floating-point types only") {
  check_gradients<one<shape<4>>>([](auto const& m, auto const&) {
    auto wide = cast<dtype::f64>(m.a);
    return weighted_sum(cast<dtype::f32>(wide * wide) + m.a * cast<dtype::f32>(m.a > 0.1));
  });
}

TEST_CASE("differentiate: the derivative is linear in the loss") {
  auto gradient_of = [](graph const& g) {
    graph d = simplified(differentiated(g));
    return run_program(d, program_data(d)).output("a", role::parameter_gradient);
  };
  using module = one<shape<3, 2>>;
  auto f = gradient_of(trace_of<module>([](auto const& m, auto const&) { return weighted_sum(tanh(m.a)); }));
  auto g = gradient_of(trace_of<module>([](auto const& m, auto const&) { return mean<>(m.a * m.a); }));
  auto both = gradient_of(trace_of<module>([](auto const& m, auto const&) { return 2.5 * weighted_sum(tanh(m.a)) - 3 * mean<>(m.a * m.a); }));
  std::vector<double> expected;
  for (std::size_t i = 0; i < f.size(); ++i) expected.push_back(2.5 * f[i] - 3 * g[i]);
  CHECK(same_values(both, expected));
}

TEST_CASE("differentiate: an output that is not a scalar is rejected") {
  graph g = trace_of<one<shape<3, 2>>>([](auto const& m, auto const&) { return m.a * 2; });
  CHECK_THROWS_AS(differentiated(g), char const*);
}

TEST_CASE("differentiate: the output to differentiate is chosen") {
  graph g = trace_of<one<shape<3>>>([](auto const& m, auto const&) { return weighted_sum(m.a); });
  graph h = g;
  h.outputs.push_back({name_text("square"), role::value, 0, build::map<ops::multiply>(h, g.outputs[0].node, g.outputs[0].node)});
  graph d = differentiated(h, {.output = 1}), e = differentiated(g);
  program_data data(g);
  interpreter square = run_program(d, data), plain = run_program(e, data);
  std::vector<double> expected = plain.output("a", role::parameter_gradient);
  for (double& x : expected) x *= 2 * plain.output(0)[0];
  CHECK(same_values(square.output("a", role::parameter_gradient), expected));
}
