// Arithmetic, absolute values, bounds and integers. References are exact in long double, so one rounding is allowed.
#include <cmath>
#include <limits>

#include "formwork/ops/abs.hpp"
#include "formwork/ops/add.hpp"
#include "formwork/ops/clamp.hpp"
#include "formwork/ops/divide.hpp"
#include "formwork/ops/floor.hpp"
#include "formwork/ops/maximum.hpp"
#include "formwork/ops/minimum.hpp"
#include "formwork/ops/modulo.hpp"
#include "formwork/ops/multiply.hpp"
#include "formwork/ops/negate.hpp"
#include "formwork/ops/sign.hpp"
#include "formwork/ops/stop_gradient.hpp"
#include "formwork/ops/subtract.hpp"
#include "support/op_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity(), nan_f = std::numeric_limits<float>::quiet_NaN();
constexpr op_range exact{.low = -4, .high = 4, .relative = 0}, rounded{.low = -4, .high = 4, .relative = 0.5};

template <class Op> bool has_derivative() {
  for (int id : traced_derivative<Op>{}.dx)
    if (id >= 0) return true;
  return false;
}

}  // namespace

TEST_CASE("add: value and derivative") {
  check_value<ops::add>([](auto x, auto y) { return x + y; }, rounded);
  check_op<ops::add>(rounded);
}

TEST_CASE("subtract: value and derivative") {
  check_value<ops::subtract>([](auto x, auto y) { return x - y; }, rounded);
  check_op<ops::subtract>(rounded);
}

TEST_CASE("multiply: value and derivative") {
  check_value<ops::multiply>([](auto x, auto y) { return x * y; }, rounded);
  check_op<ops::multiply>(rounded);
}

TEST_CASE("divide: value and derivative") {
  check_value<ops::divide>([](auto x, auto y) { return x / y; }, {.low = -4, .high = 4, .relative = 0.51});
  check_op<ops::divide>({.low = -4, .high = 4, .second = {0.4, 4}});
  check_op<ops::divide>({.low = -4, .high = 4, .second = {-4, -0.4}});
  CHECK(ops::divide::value(1.f, 0.f) == inf);
  CHECK(std::isnan(ops::divide::value(0.f, 0.f)));
}

TEST_CASE("negate: value and derivative") {
  check_value<ops::negate>([](auto x) { return 0 - x; }, exact);
  check_op<ops::negate>(exact);
}

TEST_CASE("abs: value and derivative") {
  check_value<ops::abs>([](auto x) { return std::fabs(x); }, exact);
  check_op<ops::abs>(exact);
  CHECK(ops::abs::value(-3) == 3);
  CHECK(ops::abs::value(-inf) == inf);
  CHECK(std::isnan(ops::abs::value(nan_f)));
  CHECK(traced_derivative<ops::abs>{}({0.0})[0] == 0);
}

TEST_CASE("sign: value") {
  check_value<ops::sign>([](auto x) { return std::copysign(1.L, x); }, exact);
  CHECK(ops::sign::value(0.f) == 0);
  CHECK(ops::sign::value(-7) == -1);
  CHECK_FALSE(has_derivative<ops::sign>());
}

TEST_CASE("floor: value") {
  check_value<ops::floor>([](auto x) { return std::ceil(x) - 1; }, exact);
  CHECK(ops::floor::value(3.f) == 3);
  CHECK(ops::floor::value(-0.5f) == -1);
  CHECK(ops::floor::value(inf) == inf);
  CHECK_FALSE(has_derivative<ops::floor>());
}

TEST_CASE("min: value and derivative") {
  check_value<ops::minimum>([](auto x, auto y) { return 0.5L * (x + y - std::fabs(x - y)); }, exact);
  check_op<ops::minimum>(exact);
  CHECK(std::isnan(ops::minimum::value(nan_f, 1.f)));
  CHECK(std::isnan(ops::minimum::value(1.f, nan_f)));
  CHECK(formwork::min(3, 2) == 2);
}

TEST_CASE("max: value and derivative") {
  check_value<ops::maximum>([](auto x, auto y) { return 0.5L * (x + y + std::fabs(x - y)); }, exact);
  check_op<ops::maximum>(exact);
  CHECK(std::isnan(ops::maximum::value(nan_f, 1.f)));
  CHECK(std::isnan(ops::maximum::value(1.f, nan_f)));
  CHECK(formwork::max(3, 2) == 3);
}

TEST_CASE("min: equal operands share the gradient, also in max") {
  for (int i = 0; i < 2; ++i) {
    CHECK(traced_derivative<ops::minimum>{}({2, 2}, 3)[static_cast<std::size_t>(i)] == 1.5);
    CHECK(traced_derivative<ops::maximum>{}({2, 2}, 3)[static_cast<std::size_t>(i)] == 1.5);
  }
}

TEST_CASE("clamp: value and derivative") {
  op_range range{.low = -4, .high = 4, .second = {-3, -1}, .third = {1, 3}, .relative = 0};
  check_value<ops::clamp>([](auto x, auto low, auto high) { return std::fmin(std::fmax(x, low), high); }, range);
  check_op<ops::clamp>(range);
  CHECK(ops::clamp::value(0.f, 2.f, 1.f) == 1);
  CHECK(std::isnan(ops::clamp::value(nan_f, 0.f, 1.f)));
}

TEST_CASE("clamp: the gradient passes at the bounds, and where they are crossed goes to the upper one") {
  traced_derivative<ops::clamp> derivative;
  using three = std::array<std::optional<double>, 3>;
  CHECK(derivative({-1, -1, 1}) == three{1, 0, 0});
  CHECK(derivative({1, -1, 1}) == three{1, 0, 0});
  CHECK(derivative({0, 2, 1}) == three{0, 0, 1});
}

TEST_CASE("modulo: takes the sign of the divisor, for integers as for floating-point numbers") {
  for (int x = -7; x <= 7; ++x)
    for (int y : {-3, -1, 1, 3, 5}) {
      int expected = x;
      while (y > 0 ? expected < 0 : expected > 0) expected += y;
      while (y > 0 ? expected >= y : expected <= y) expected -= y;
      CHECK(ops::modulo::value(x, y) == expected);
      CHECK(ops::modulo::value(static_cast<long>(x), static_cast<long>(y)) == expected);
      CHECK(ops::modulo::value(static_cast<float>(x), static_cast<float>(y)) == static_cast<float>(expected));
    }
  CHECK_FALSE(has_derivative<ops::modulo>());
}

TEST_CASE("stop_gradient: keeps the value and has no derivative") {
  check_value<ops::stop_gradient>([](auto x) { return x; }, exact);
  CHECK_FALSE(has_derivative<ops::stop_gradient>());
}
