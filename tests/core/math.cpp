// Scalar elementary functions: the names that formulas use, on float, double and integers.
#include "support/catch.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "formwork/core/math.hpp"

namespace {

using namespace formwork::math;

static_assert(formwork::math::max(3, 5) == 5 && formwork::math::min(-2, 4) == -2 && formwork::math::abs(-7) == 7);
static_assert(formwork::math::abs(7u) == 7u);
static_assert(formwork::math::select(true, 2.0f, 0) == 2.0f);
static_assert(std::is_same_v<decltype(formwork::math::max(1.0, 0.0f)), double>);
static_assert(std::is_same_v<decltype(formwork::math::min(1.0f, 0)), float>);
static_assert(formwork::math::abs(std::numeric_limits<std::int32_t>::min()) == std::numeric_limits<std::int32_t>::min());
static_assert(formwork::math::isfinite(1.0f) && !formwork::math::isfinite(std::numeric_limits<double>::infinity()));

// A formula as an operation writes it: unqualified names, but for those that the C library has, too.
template <class T> T swish_like(T x) { return formwork::math::fma(x, sigmoid(x), select(x > T(0), formwork::math::rsqrt(x * x + T(1)), T(0))); }

template <class T> void check_against_library(T x) {
  const T positive = x * x + T(0.25);
  CHECK(formwork::math::exp(x) == std::exp(x));
  CHECK(formwork::math::expm1(x) == std::expm1(x));
  CHECK(formwork::math::log(positive) == std::log(positive));
  CHECK(formwork::math::log1p(positive) == std::log1p(positive));
  CHECK(formwork::math::tanh(x) == std::tanh(x));
  CHECK(formwork::math::erf(x) == std::erf(x));
  if constexpr (std::is_same_v<T, double>) {  // of float: trig.cpp
    CHECK(formwork::math::sin(x) == std::sin(x));
    CHECK(formwork::math::cos(x) == std::cos(x));
  }
  CHECK(formwork::math::sqrt(positive) == std::sqrt(positive));
  CHECK(formwork::math::rsqrt(positive) == T(1) / std::sqrt(positive));
  CHECK(formwork::math::pow(positive, x) == std::pow(positive, x));
  CHECK(formwork::math::floor(x) == std::floor(x));
  CHECK(formwork::math::fma(x, x, positive) == std::fma(x, x, positive));
  CHECK(formwork::math::abs(x) == std::abs(x));
  static_assert(std::is_same_v<decltype(formwork::math::exp(x)), T>);
}

}  // namespace

TEST_CASE("math: float and double call the C library's function of their type, but for sin and cos of float") {
  for (double x : {-40.0, -2.5, -0.1, 0.0, 1e-7, 0.7, 3.0, 60.0}) {
    check_against_library(x);
    check_against_library(static_cast<float>(x));
  }
}

TEST_CASE("math: sigmoid neither overflows nor loses its tail") {
  using formwork::math::sigmoid;
  CHECK(sigmoid(0.0) == 0.5);
  CHECK(sigmoid(1000.0f) == 1.0f);
  CHECK(sigmoid(-1000.0f) == 0.0f);
  CHECK(sigmoid(-80.0f) == Approx(std::exp(-80.0)).epsilon(1e-6));
  CHECK(sigmoid(-700.0) == Approx(std::exp(-700.0)).epsilon(1e-12));
  CHECK(std::isnan(sigmoid(std::numeric_limits<float>::quiet_NaN())));
  CHECK(swish_like(2.0) == Approx(2.0 / (1 + std::exp(-2.0)) + 1 / std::sqrt(5.0)));
}

TEST_CASE("math: a NaN passes through min and max from either side") {
  const double nan_value = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(formwork::math::min(nan_value, 1.0)));
  CHECK(std::isnan(formwork::math::min(1.0, nan_value)));
  CHECK(std::isnan(formwork::math::max(nan_value, 1.0)));
  CHECK(std::isnan(formwork::math::max(1.0, nan_value)));
}

TEST_CASE("math: abs clears the sign of zero") { CHECK_FALSE(std::signbit(formwork::math::abs(-0.0f))); }
