// Activations: value against long double formulas of another form, derivative against finite differences, edges.
#include <cmath>
#include <limits>
#include <numbers>

#include "formwork/ops/gelu.hpp"
#include "formwork/ops/gelu_tanh.hpp"
#include "formwork/ops/relu.hpp"
#include "formwork/ops/sigmoid.hpp"
#include "formwork/ops/silu.hpp"
#include "formwork/ops/softplus.hpp"
#include "formwork/ops/tanh.hpp"
#include "support/op_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity(), nan_f = std::numeric_limits<float>::quiet_NaN();
constexpr float huge = 3e38f;

// 1 / (1 + exp(-x)) through tanh below |x| = 1, where 1 + tanh does not cancel.
long double logistic(long double x) {
  return std::abs(x) < 1 ? 0.5L * (1 + std::tanh(x / 2)) : x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 - logistic(-x);
}

}  // namespace

TEST_CASE("tanh: value and derivative") {
  check_value<ops::tanh>([](auto x) { return -std::expm1(-2 * x) / (2 + std::expm1(-2 * x)); }, {.low = -6, .high = 6});
  check_op<ops::tanh>({.low = -6, .high = 6});
  CHECK(ops::tanh::value(huge) == 1);
  CHECK(ops::tanh::value(-inf) == -1);
  CHECK(std::isnan(ops::tanh::value(nan_f)));
}

TEST_CASE("sigmoid: value and derivative") {
  check_value<ops::sigmoid>(logistic, {.low = -30, .high = 30, .relative = 3});
  check_op<ops::sigmoid>({.low = -8, .high = 8});
  CHECK(ops::sigmoid::value(0.f) == 0.5f);
  CHECK(ops::sigmoid::value(inf) == 1);
  CHECK(ops::sigmoid::value(-inf) == 0);
  CHECK(ops::sigmoid::value(-huge) == 0);
  CHECK(std::isnan(ops::sigmoid::value(nan_f)));
}

TEST_CASE("relu: value and derivative") {
  check_value<ops::relu>([](auto x) { return std::fmax(x, 0.L); }, {.low = -4, .high = 4, .relative = 0});
  check_op<ops::relu>({.low = -4, .high = 4});
  CHECK(ops::relu::value(inf) == inf);
  CHECK(ops::relu::value(-inf) == 0);
  CHECK(std::isnan(ops::relu::value(nan_f)));
  CHECK(traced_derivative<ops::relu>{}({0.0})[0] == 0);
}

// 1 + erf(x / sqrt(2)) has the absolute error of 1, and x is at most 6.
TEST_CASE("gelu: value and derivative") {
  check_value<ops::gelu>([](auto x) { return 0.5L * x * std::erfc(-x / std::numbers::sqrt2_v<long double>); },
                         {.low = -6, .high = 6, .relative = 3, .absolute = 6});
  check_op<ops::gelu>({.low = -6, .high = 6});
  CHECK(ops::gelu::value(huge) == huge);
  CHECK(ops::gelu::value(-huge) == 0);
  CHECK(ops::gelu::value(0.f) == 0);
  CHECK(std::isnan(ops::gelu::value(nan_f)));
}

// exp(-u) carries the error of u, 3 epsilon |u|, into y = x s: |x u s (1 - s)| < 1.
TEST_CASE("gelu_tanh: value and derivative") {
  check_value<ops::gelu_tanh>(
      [](auto x) {
        return 0.5L * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi_v<long double>) * (x + 0.044715L * x * x * x)));
      },
      {.low = -10, .high = 10, .relative = 3, .absolute = 3});
  check_op<ops::gelu_tanh>({.low = -6, .high = 6});
  CHECK(ops::gelu_tanh::value(1e20f) == 1e20f);
  CHECK(ops::gelu_tanh::value(-1e20f) == 0);
  CHECK(std::isnan(ops::gelu_tanh::value(nan_f)));
  // An approximation of the other gelu, to 5e-4 (Hendrycks & Gimpel's figure 1 cannot tell them apart).
  for (double x = -8; x < 8; x += 0.01) CHECK(std::abs(ops::gelu_tanh::value(x) - ops::gelu::value(x)) < 5e-4);
}

TEST_CASE("silu: value and derivative") {
  check_value<ops::silu>([](auto x) { return x * logistic(x); }, {.low = -30, .high = 30, .relative = 3});
  check_op<ops::silu>({.low = -8, .high = 8});
  CHECK(ops::silu::value(huge) == huge);
  CHECK(ops::silu::value(-1000.f) == 0);
  CHECK(std::isnan(ops::silu::value(nan_f)));
}

TEST_CASE("softplus: value and derivative") {
  check_value<ops::softplus>([](auto x) { return std::log1p(std::exp(x)); }, {.low = -30, .high = 30, .relative = 3});
  check_op<ops::softplus>({.low = -8, .high = 8});
  CHECK(ops::softplus::value(huge) == huge);
  CHECK(ops::softplus::value(-inf) == 0);
  CHECK(ops::softplus::value(inf) == inf);
  CHECK(std::isnan(ops::softplus::value(nan_f)));
}
