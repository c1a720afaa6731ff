#include "formwork/ops/exp.hpp"
#include "support/program_test.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

struct inner {
  using w_t = parameter<shape<3, 4>>;
  using b_t = parameter<shape<4>, zeros>;
  BOOST_HANA_DEFINE_STRUCT(inner, (w_t, weight), (b_t, bias));
  constexpr auto operator()(auto const& x) const { return x + 0 * sum<>(weight) + 0 * sum<>(bias); }
};
struct outer {
  using gain_t = parameter<shape<3>, ones>;
  using blocks_t = repeat<5, inner>;
  BOOST_HANA_DEFINE_STRUCT(outer, (gain_t, gain), (inner, first), (blocks_t, blocks));
};
struct both {
  using tokens_t = input<dtype::i32, shape<2, 3>>;
  using x_t = input<dtype::f32, shape<3>>;
  BOOST_HANA_DEFINE_STRUCT(both, (tokens_t, tokens), (x_t, x));
};
struct pair {
  using loss_t = value<dtype::f32, shape<1>>;
  using y_t = value<dtype::f32, shape<3>>;
  BOOST_HANA_DEFINE_STRUCT(pair, (loss_t, loss), (y_t, y));
};

template <class X> constexpr bool has_type(dtype type, dims shape) {
  using plain = std::remove_cvref_t<X>;
  return plain::type == type && plain::shape == shape;
}

}  // namespace

static_assert(parameter_count<outer> == 3 + 16 + 5 * 16);

TEST_CASE("trace: parameters and inputs have names, shapes and initial values") {
  graph g = trace_of<outer, both>([](auto const& m, auto const& in) { return m.blocks(m.first(in.x * m.gain)); });
  auto check = [&](std::size_t i, std::string_view name, dims shape, long copies, initial start, bool decays) {
    parameter_info const& p = g.parameters[i];
    CHECK(p.name.view() == name);
    CHECK(p.shape == shape);
    CHECK(p.copies == copies);
    CHECK(p.start == start);
    CHECK(p.decays == decays);
    CHECK(g[p.node].what == kind::parameter);
  };
  REQUIRE(g.parameters.size() == 5);
  check(0, "gain", {3}, 1, initial::ones, false);
  check(1, "first.weight", {3, 4}, 1, initial::normal, true);
  check(2, "first.bias", {4}, 1, initial::zeros, false);
  check(3, "blocks.*.weight", {3, 4}, 5, initial::normal, true);
  check(4, "blocks.*.bias", {4}, 5, initial::zeros, false);
  REQUIRE(g.inputs.size() == 2);
  CHECK(g.inputs[0].name.view() == "tokens");
  CHECK(g.inputs[0].type == dtype::i32);
  CHECK(g.inputs[1].name.view() == "x");
  CHECK(problem_of(g) == "");
}

TEST_CASE("trace: a struct of values becomes named outputs") {
  graph g = trace_of<one<shape<3>>>([](auto const& m, auto const&) { return pair{sum<>(m.a), exp(m.a)}; });
  REQUIRE(g.outputs.size() == 2);
  CHECK(g.outputs[0].name.view() == "loss");
  CHECK(g.outputs[1].name.view() == "y");
  graph d = differentiated(g);
  program_data data(g);
  CHECK(same_values(run_program(d, data).output("y"), run_program(g, data).output("y")));
}

TEST_CASE("trace: shapes and element types are types") {
  graph g = trace_of<one<shape<2, 3, 4>>, indices<shape<2, 3>>>([](auto const& m, auto const& in) {
    auto const& x = m.a;
    static_assert(has_type<decltype(x + 1)>(dtype::f32, {2, 3, 4}));
    static_assert(has_type<decltype(x < 1)>(dtype::boolean, {2, 3, 4}));
    static_assert(has_type<decltype(sum<1>(x))>(dtype::f32, {2, 1, 4}));
    static_assert(has_type<decltype(sum<>(x))>(dtype::f32, {1, 1, 1}));
    static_assert(has_type<decltype(x - maximum<0, -1>(x))>(dtype::f32, {2, 3, 4}));
    static_assert(has_type<decltype(transpose<2, 0, -2>(x))>(dtype::f32, {4, 2, 3}));
    static_assert(has_type<decltype(split<-1, 2>(x)[0])>(dtype::f32, {2, 3, 2}));
    static_assert(has_type<decltype(concatenate<1>(x, x))>(dtype::f32, {2, 6, 4}));
    static_assert(has_type<decltype(squeeze<0>(slice<0, 1, 1>(x)))>(dtype::f32, {3, 4}));
    static_assert(has_type<decltype(unsqueeze<-1>(x))>(dtype::f32, {2, 3, 4, 1}));
    static_assert(has_type<decltype(matmul(x, reshape<4, 6>(x)))>(dtype::f32, {2, 3, 6}));
    static_assert(has_type<decltype(matmul(slice<0, 0, 1>(x), matrix_transpose(x)))>(dtype::f32, {2, 3, 3}));
    static_assert(has_type<decltype(gather(x, in.i))>(dtype::f32, {2, 3, 3, 4}));
    static_assert(has_type<decltype(one_hot<7>(in.i))>(dtype::boolean, {2, 3, 7}));
    static_assert(has_type<decltype(pick(x, in.i))>(dtype::f32, {2, 3}));
    static_assert(has_type<decltype(cast<dtype::bf16>(x))>(dtype::bf16, {2, 3, 4}));
    static_assert(has_type<decltype(index_along<1>(x))>(dtype::i32, {2, 3, 4}));
    return sum<>(x);
  });
  CHECK(problem_of(g) == "");
}

TEST_CASE("trace: random numbers are uniform, and differ between calls, steps and iterations") {
  using module = one<shape<64, 64>>;
  graph g = trace_of<module>([](auto const& m, auto const&) { return concatenate<0>(random_like(m.a), random_like(m.a)); });
  CHECK(g.streams == 2);
  interpreter run(g);
  run.set_random(7, 1);
  run.run();
  auto first = run.output(0);
  CHECK(std::vector<double>(first.begin(), first.begin() + 4096) != std::vector<double>(first.begin() + 4096, first.end()));
  double mean = 0, square = 0;
  for (double x : first) {
    CHECK_FALSE((x < 0 || x >= 1));
    mean += x / 8192, square += x * x / 8192;
  }
  // Five standard errors: sqrt(1/12 / 8192) and sqrt(4/45 / 8192).
  CHECK(std::abs(mean - 0.5) < 5 * 0.0032);
  CHECK(std::abs(square - 1.0 / 3) < 5 * 0.0033);
  run.run();
  CHECK(run.output(0) == first);
  run.set_random(7, 2);
  run.run();
  CHECK(run.output(0) != first);
}
