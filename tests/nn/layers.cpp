// The layers' values, run in f64 by the tests' interpreter, and their gradients by finite differences.
#include "formwork/nn/attention.hpp"
#include "formwork/nn/dropout.hpp"
#include "formwork/nn/embedding.hpp"
#include "formwork/nn/loss.hpp"
#include "formwork/nn/mlp.hpp"
#include "formwork/nn/normalization.hpp"
#include "formwork/ops/tanh.hpp"
#include "support/program_test.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

// The rows of x, each changed by f.
template <class F> std::vector<double> rows(std::vector<double> x, std::size_t size, F const& f) {
  for (std::size_t i = 0; i < x.size(); i += size) f(&x[i]);
  return x;
}

// What a function of one parameter of this shape gives, and that parameter.
template <class Shape, class F> std::pair<std::vector<double>, std::vector<double>> both(F f, drawn how = {}) {
  graph g = trace_of<one<Shape>>(f);
  program_data data(g, how);
  return {run_program(g, data).output(0), data.parameters[0]};
}

void check_rows(std::vector<double> const& result, std::vector<double> const& expected) {
  CAPTURE(result, expected);
  CHECK(same_values(result, expected));
  CHECK_FALSE(same_values(result, std::vector<double>(expected.size())));
}

}  // namespace

TEST_CASE("softmax: values and gradients") {
  auto f = [](auto const& m, auto const&) { return softmax(m.a * 30.0); };  // exp(30 x) alone would be 1e13
  auto [y, x] = both<shape<5, 7>>(f, {.low = -30, .high = 30});
  check_rows(y, rows(x, 7, [](double* r) {
    double top = *std::max_element(r, r + 7), total = 0;
    for (int i = 0; i < 7; ++i) total += r[i] = std::exp(30 * (r[i] - top));
    for (int i = 0; i < 7; ++i) r[i] /= total;
  }));
  check_gradients<one<shape<3, 4>>>([](auto const& m, auto const&) { return weighted_sum(softmax(m.a)); });
  check_gradients<one<shape<3, 4>>>([](auto const& m, auto const&) { return weighted_sum(softmax<0>(m.a)); });
  check_gradients<one<shape<3, 4>>>([](auto const& m, auto const&) { return weighted_sum(log_softmax(m.a)); });
}

TEST_CASE("log_softmax: values") {
  auto [y, x] = both<shape<5, 7>>([](auto const& m, auto const&) { return log_softmax(m.a); }, {.low = -200, .high = 200});
  check_rows(y, rows(x, 7, [](double* r) {
    double top = *std::max_element(r, r + 7), total = 0;
    for (int i = 0; i < 7; ++i) total += std::exp(r[i] - top);
    for (int i = 0; i < 7; ++i) r[i] -= top + std::log(total);
  }));
}

TEST_CASE("layer_norm: values and gradients") {
  auto [y, x] = both<shape<5, 7>>([](auto const& m, auto const&) { return standardize(m.a, 0.1); });
  check_rows(y, rows(x, 7, [](double* r) {
    double mean = 0, square = 0;
    for (int i = 0; i < 7; ++i) mean += r[i] / 7;
    for (int i = 0; i < 7; ++i) square += (r[i] - mean) * (r[i] - mean) / 7;
    for (int i = 0; i < 7; ++i) r[i] = (r[i] - mean) / std::sqrt(square + 0.1);
  }));
  check_gradients<layer_norm<6>, numbers<shape<2, 3, 6>>>([](auto const& m, auto const& in) { return weighted_sum(m(in.x)); });
}

TEST_CASE("rms_norm: values and gradients") {
  auto [y, x] = both<shape<5, 7>>([](auto const& m, auto const&) { return divide_by_rms(m.a, 0.1); });
  check_rows(y, rows(x, 7, [](double* r) {
    double square = 0;
    for (int i = 0; i < 7; ++i) square += r[i] * r[i] / 7;
    for (int i = 0; i < 7; ++i) r[i] /= std::sqrt(square + 0.1);
  }));
  check_gradients<rms_norm<6>, numbers<shape<2, 3, 6>>>([](auto const& m, auto const& in) { return weighted_sum(m(in.x)); });
}

TEST_CASE("rotary: turns pairs by their angle and products of two positions depend on their distance") {
  auto [y, x] = both<shape<1, 5, 2, 6>>([](auto const& m, auto const&) { return rotary(m.a, 3, 100.0); });
  auto expected = x;
  for (int t = 0; t < 5; ++t)
    for (int h = 0; h < 2; ++h)
      for (int i = 0; i < 3; ++i) {
        auto at = static_cast<std::size_t>((t * 2 + h) * 6 + i);
        double angle = (3 + t) * std::pow(100.0, -2.0 * i / 6);
        expected[at] = x[at] * std::cos(angle) - x[at + 3] * std::sin(angle);
        expected[at + 3] = x[at + 3] * std::cos(angle) + x[at] * std::sin(angle);
      }
  check_rows(y, expected);
  check_gradients<one<shape<2, 3, 2, 4>>>([](auto const& m, auto const&) { return weighted_sum(rotary(m.a)); });
}

TEST_CASE("rotary: a traced offset is the same as a number") {
  struct step { using offset_t = input<dtype::i32, shape<>>; BOOST_HANA_DEFINE_STRUCT(step, (offset_t, offset)); };
  auto f = [](auto const& m, auto const& in) { return rotary(m.a, in.offset); };
  graph g = trace_of<one<shape<1, 5, 2, 6>>, step>(f);
  program_data data(g);
  data.inputs[0] = {4};
  graph h = trace_of<one<shape<1, 5, 2, 6>>>([](auto const& m, auto const&) { return rotary(m.a, 4); });
  program_data same(h);
  same.parameters = data.parameters;
  CHECK(same_values(run_program(g, data).output(0), run_program(h, same).output(0)));
}

TEST_CASE("dropout: keeps the mean, drops the rate, and adds nothing at rate 0") {
  auto [y, x] = both<shape<100, 100>>([](auto const& m, auto const&) { return dropout(m.a, 0.25); }, {.low = 1, .high = 1});
  long dropped = 0;
  for (double e : y) {
    CHECK((e == 0 || e == 1 / 0.75));
    dropped += e == 0;
  }
  // 10000 draws: standard deviation 43.
  CHECK(dropped > 2500 - 5 * 43);
  CHECK(dropped < 2500 + 5 * 43);
  graph g = trace_of<one<shape<4>>>([](auto const& m, auto const&) { return dropout(m.a, 0.0); });
  CHECK(g.size() == 1);
  CHECK_THROWS_WITH((trace_of<one<shape<4>>>([](auto const& m, auto const&) { return dropout(m.a, 1.0); })),
                    "dropout: the rate is a probability in [0, 1).");
  check_gradients<one<shape<5, 4>>>([](auto const& m, auto const&) { return weighted_sum(dropout(m.a, 0.5)); });
}

TEST_CASE("cross_entropy: mean of -log p[target], and gradients") {
  auto f = [](auto const& m, auto const& in) { return cross_entropy(m.a, in.i); };
  graph g = trace_of<one<shape<2, 3, 5>>, indices<shape<2, 3>>>(f);
  program_data data(g, {.low = -3, .high = 3, .integers = 5});
  double mean = 0;
  for (std::size_t r = 0; r < 6; ++r) {
    double total = 0;
    for (std::size_t c = 0; c < 5; ++c) total += std::exp(data.parameters[0][5 * r + c]);
    mean += (std::log(total) - data.parameters[0][5 * r + static_cast<std::size_t>(data.inputs[0][r])]) / 6;
  }
  auto loss = run_program(g, data).output(0);
  REQUIRE(loss.size() == 1);
  CHECK(loss[0] == Approx(mean).epsilon(1e-12));
  check_gradients<one<shape<2, 3, 5>>, indices<shape<2, 3>>>(f, {.integers = 5});
}

TEST_CASE("embedding: rows and the tied head, with gradients of both uses") {
  check_gradients<embedding<7, 3>, indices<shape<2, 5>>>([](auto const& m, auto const& in) {
    return weighted_sum(m.unembed(m(in.i) + m.template first<5>()));
  }, {.integers = 7});
}

TEST_CASE("mlp: gradients with any activation") {
  check_gradients<mlp<4, 6>, numbers<shape<3, 4>>>([](auto const& m, auto const& in) { return weighted_sum(m(in.x)); });
  check_gradients<mlp<4, 6, ops::tanh, without_bias>, numbers<shape<3, 4>>>(
      [](auto const& m, auto const& in) { return weighted_sum(m(in.x)); });
  check_gradients<gated_mlp<4, 6>, numbers<shape<3, 4>>>([](auto const& m, auto const& in) { return weighted_sum(m(in.x)); });
}
