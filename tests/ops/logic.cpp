// Comparisons, logic and select.
#include <limits>

#include "formwork/ops/equal.hpp"
#include "formwork/ops/greater.hpp"
#include "formwork/ops/greater_equal.hpp"
#include "formwork/ops/less.hpp"
#include "formwork/ops/less_equal.hpp"
#include "formwork/ops/logical_and.hpp"
#include "formwork/ops/logical_not.hpp"
#include "formwork/ops/logical_or.hpp"
#include "formwork/ops/not_equal.hpp"
#include "formwork/ops/select.hpp"
#include "support/op_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

// The results for (1, 2), (2, 2), (2, 1) and (NaN, 1), through the value and through the program.
template <class Op> void check_comparison(std::array<bool, 4> const& expected) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double x[][2] = {{1, 2}, {2, 2}, {2, 1}, {nan, 1}};
  for (std::size_t i = 0; i < 4; ++i) {
    CAPTURE(Op::name, i);
    CHECK(Op::value(x[i][0], x[i][1]) == expected[i]);
    CHECK(Op::value(static_cast<float>(x[i][0]), static_cast<float>(x[i][1])) == expected[i]);
    if (i < 3) CHECK(Op::value(static_cast<int>(x[i][0]), static_cast<int>(x[i][1])) == expected[i]);
    CHECK(op_of<Op>()->evaluate(x[i]) == expected[i]);
  }
  CHECK(op_of<Op>()->result == dtype::boolean);
  CHECK(op_of<Op>()->has_result_type);
  CHECK(traced_derivative<Op>{}.dx[0] < 0);
  CHECK(traced_derivative<Op>{}.dx[1] < 0);
}

}  // namespace

TEST_CASE("equal: value") { check_comparison<ops::equal>({false, true, false, false}); }
TEST_CASE("not_equal: value") { check_comparison<ops::not_equal>({true, false, true, true}); }
TEST_CASE("less: value") { check_comparison<ops::less>({true, false, false, false}); }
TEST_CASE("less_equal: value") { check_comparison<ops::less_equal>({true, true, false, false}); }
TEST_CASE("greater: value") { check_comparison<ops::greater>({false, false, true, false}); }
TEST_CASE("greater_equal: value") { check_comparison<ops::greater_equal>({false, true, true, false}); }

TEST_CASE("logical_and: value") {
  for (bool a : {false, true})
    for (bool b : {false, true}) CHECK(ops::logical_and::value(a, b) == (a ? b : false));
}
TEST_CASE("logical_or: value") {
  for (bool a : {false, true})
    for (bool b : {false, true}) CHECK(ops::logical_or::value(a, b) == (a ? true : b));
}
TEST_CASE("logical_not: value") {
  for (bool a : {false, true}) CHECK(ops::logical_not::value(a) == (a ? false : true));
}

TEST_CASE("select: value and derivative") {
  op_range range{.low = -4, .high = 4, .relative = 0};
  check_value<ops::select>([](auto c, auto x, auto y) { return c * x + (1 - c) * y; }, range);
  check_op<ops::select>(range);
  CHECK(traced_derivative<ops::select>{}.dx[0] < 0);
  CHECK(ops::select::value(true, 3, 4) == 3);
  CHECK(ops::select::value(false, 3, 4) == 4);
}
