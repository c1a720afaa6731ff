// Exponentials, logarithms, roots, powers and trigonometry.
#include <cmath>
#include <limits>
#include <numbers>

#include "formwork/ops/cos.hpp"
#include "formwork/ops/erf.hpp"
#include "formwork/ops/exp.hpp"
#include "formwork/ops/expm1.hpp"
#include "formwork/ops/log.hpp"
#include "formwork/ops/log1p.hpp"
#include "formwork/ops/pow.hpp"
#include "formwork/ops/reciprocal.hpp"
#include "formwork/ops/rsqrt.hpp"
#include "formwork/ops/sin.hpp"
#include "formwork/ops/sqrt.hpp"
#include "formwork/ops/square.hpp"
#include "support/op_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity(), nan_f = std::numeric_limits<float>::quiet_NaN();
constexpr auto log2e = std::numbers::log2e_v<long double>, ln2 = std::numbers::ln2_v<long double>;

}  // namespace

TEST_CASE("exp: value and derivative") {
  check_value<ops::exp>([](auto x) { return std::exp2(x * log2e); }, {.low = -80, .high = 80});
  check_op<ops::exp>({.low = -4, .high = 4});
  CHECK(ops::exp::value(0.f) == 1);
  CHECK(ops::exp::value(100.f) == inf);
  CHECK(ops::exp::value(-inf) == 0);
  CHECK(std::isnan(ops::exp::value(nan_f)));
}

TEST_CASE("expm1: value and derivative") {
  auto reference = [](auto x) { return 2 * std::sinh(x / 2) * std::exp(x / 2); };
  check_value<ops::expm1>(reference, {.low = -20, .high = 20});
  check_value<ops::expm1>(reference, {.low = -1e-6, .high = 1e-6});
  check_op<ops::expm1>({.low = -4, .high = 4});
  CHECK(ops::expm1::value(-inf) == -1);
  CHECK(ops::expm1::value(inf) == inf);
}

TEST_CASE("log: value and derivative") {
  check_value<ops::log>([](auto x) { return std::log2(x) * ln2; }, {.low = 1e-3, .high = 1e3});
  check_op<ops::log>({.low = 0.1, .high = 8});
  CHECK(ops::log::value(1.f) == 0);
  CHECK(ops::log::value(0.f) == -inf);
  CHECK(ops::log::value(inf) == inf);
  CHECK(std::isnan(ops::log::value(-1.f)));
}

TEST_CASE("log1p: value and derivative") {
  auto reference = [](auto x) { return 2 * std::atanh(x / (2 + x)); };
  check_value<ops::log1p>(reference, {.low = -0.9, .high = 20});
  check_value<ops::log1p>(reference, {.low = -1e-6, .high = 1e-6});
  check_op<ops::log1p>({.low = -0.7, .high = 8});
  CHECK(ops::log1p::value(-1.f) == -inf);
  CHECK(ops::log1p::value(inf) == inf);
}

TEST_CASE("sqrt: value and derivative") {
  check_value<ops::sqrt>([](auto x) { return std::exp2(0.5L * std::log2(x)); },
                         {.low = 1e-3, .high = 1e3, .relative = 1});
  check_op<ops::sqrt>({.low = 0.1, .high = 8});
  CHECK(ops::sqrt::value(0.f) == 0);
  CHECK(ops::sqrt::value(inf) == inf);
  CHECK(std::isnan(ops::sqrt::value(-1.f)));
}

TEST_CASE("rsqrt: value and derivative") {
  check_value<ops::rsqrt>([](auto x) { return std::exp2(-0.5L * std::log2(x)); }, {.low = 1e-3, .high = 1e3});
  check_op<ops::rsqrt>({.low = 0.2, .high = 8});
  CHECK(ops::rsqrt::value(0.f) == inf);
  CHECK(ops::rsqrt::value(inf) == 0);
}

TEST_CASE("reciprocal: value and derivative") {
  check_value<ops::reciprocal>([](auto x) { return std::copysign(std::exp2(-std::log2(std::abs(x))), x); },
                               {.low = -50, .high = 50, .relative = 1});
  check_op<ops::reciprocal>({.low = 0.3, .high = 8});
  check_op<ops::reciprocal>({.low = -8, .high = -0.3});
  CHECK(ops::reciprocal::value(0.f) == inf);
  CHECK(ops::reciprocal::value(-inf) == 0);
}

TEST_CASE("square: value and derivative") {
  check_value<ops::square>([](auto x) { return std::exp2(2 * std::log2(std::abs(x))); },
                          {.low = -50, .high = 50, .relative = 1});
  check_op<ops::square>({.low = -4, .high = 4});
  CHECK(ops::square::value(-inf) == inf);
}

TEST_CASE("erf: value and derivative") {
  // The series 2/sqrt(pi) exp(-x^2) sum of 2^k x^(2k+1) / (2k+1)!!, whose terms all have one sign.
  auto series = [](auto x) {
    long double term = x, sum = x;
    for (int k = 1; k < 200; ++k) sum += term *= 2 * x * x / (2 * k + 1);
    return 2 * std::numbers::inv_sqrtpi_v<long double> * std::exp(-x * x) * sum;
  };
  check_value<ops::erf>(series, {.low = -4, .high = 4});
  check_op<ops::erf>({.low = -4, .high = 4});
  CHECK(ops::erf::value(inf) == 1);
  CHECK(ops::erf::value(-inf) == -1);
  CHECK(ops::erf::value(0.f) == 0);
}

TEST_CASE("sin: value and derivative") {
  check_value<ops::sin>([](auto x) { return 2 * std::sin(x / 2) * std::cos(x / 2); }, {.low = -100, .high = 100});
  check_op<ops::sin>({.low = -8, .high = 8});
  CHECK(ops::sin::value(0.f) == 0);
  CHECK(std::isnan(ops::sin::value(inf)));
}

TEST_CASE("cos: value and derivative") {
  check_value<ops::cos>([](auto x) { return 1 - 2 * std::sin(x / 2) * std::sin(x / 2); },
                        {.low = -100, .high = 100});
  check_op<ops::cos>({.low = -8, .high = 8});
  CHECK(ops::cos::value(0.f) == 1);
  CHECK(std::isnan(ops::cos::value(inf)));
}

TEST_CASE("pow: value and derivative") {
  check_value<ops::pow>([](auto x, auto y) { return std::exp2(y * std::log2(x)); },
                        {.low = 0.1, .high = 8, .second = {-4, 4}});
  check_op<ops::pow>({.low = 0.3, .high = 4, .second = {-3, 3}});
  CHECK(ops::pow::value(-2.f, 3.f) == -8);
  CHECK(ops::pow::value(0.f, 0.f) == 1);
  CHECK(std::isnan(ops::pow::value(-2.f, 0.5f)));
}

TEST_CASE("pow: derivatives at the edges are limits, not NaN") {
  traced_derivative<ops::pow> derivative;
  CHECK(derivative({0, 0})[0] == 0);
  CHECK(derivative({0, 0})[1] == 0);
  CHECK(derivative({0, 2})[0] == 0);
  CHECK(derivative({0, 2})[1] == 0);
  CHECK(derivative({-2, 3})[0] == 12);
  CHECK(derivative({0, 1})[0] == 1);
}

namespace {
template <class Check> void each_exponent(Check const& check) {
  for (double c : {1.0, 2.0, 3.0, 4.0, 0.5, -0.5, -1.0, -2.0, 1.5, 0.0, 7.0}) check(c);
}
}  // namespace

TEST_CASE("pow: a number as exponent gives the same value, by cheaper operations where there are some") {
  each_exponent([](double c) {
    graph g;
    expr x{&g, g.push_here({.what = kind::input, .type = dtype::f64})};
    expr y = pow(x, c);
    double value = evaluate(g, {1.7})[static_cast<std::size_t>(y.id)];
    CHECK(std::abs(value - std::pow(1.7, c)) <= 4 * std::numeric_limits<double>::epsilon() * value);
    bool has_pow = false;
    for (auto const& n : g.nodes) has_pow = has_pow || n.op == op_of<ops::pow>();
    CHECK(has_pow == (c == 1.5 || c == 0 || c == 7));
  });
}
