// The check of the operations is itself checked: it accepts a user's right operation and rejects wrong ones.
#include "support/op_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

// y = x^3, defined as a user would, outside the library. Percent scales its derivative.
template <int Percent> struct cube {
  static constexpr auto name = "cube";
  static constexpr int flops = 2;
  FORMWORK_FN static constexpr auto value(auto x) { return x * x * x; }
  static constexpr auto derivative(auto x, auto, auto dy) { return dy * (0.03 * Percent * (x * x)); }
};

// z = x y, with the two derivatives exchanged.
struct exchanged_product {
  static constexpr auto name = "exchanged_product";
  FORMWORK_FN static constexpr auto value(auto x, auto y) { return x * y; }
  static constexpr auto derivative(auto x, auto y, auto, auto dz) { return std::tuple(dz * x, dz * y); }
};

}  // namespace

TEST_CASE("op_check: accepts a right derivative of a user's operation") {
  check_op<cube<100>>({.low = -3, .high = 3});
  check_value<cube<100>>([](auto x) { return x * x * x; }, {.low = -3, .high = 3});
}

TEST_CASE("op_check: rejects a derivative that is 1% off, zero, of the wrong sign or of the other operand") {
  op_range range{.low = -3, .high = 3};
  CHECK(all_good(compare_derivative<cube<100>>(0, range)));
  CHECK_FALSE(all_good(compare_derivative<cube<101>>(0, range)));
  CHECK_FALSE(all_good(compare_derivative<cube<99>>(0, range)));
  CHECK_FALSE(all_good(compare_derivative<cube<0>>(0, range)));
  CHECK_FALSE(all_good(compare_derivative<cube<-100>>(0, range)));
  CHECK_FALSE(all_good(compare_derivative<exchanged_product>(0, range)));
  CHECK_FALSE(all_good(compare_derivative<exchanged_product>(1, range)));
}

TEST_CASE("op_check: the tolerance of a derivative is far below 1% of it") {
  for (auto const& c : compare_derivative<cube<100>>(0, {.low = 1, .high = 3}))
    CHECK(c.tolerance < 1e-7 * std::abs(c.expected));
}

TEST_CASE("op_check: NaN is never good") {
  CHECK_FALSE(comparison{std::nan(""), 0, 1}.good());
  CHECK_FALSE(comparison{0, std::nan(""), 1}.good());
}
