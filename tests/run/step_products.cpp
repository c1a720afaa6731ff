// Products of operands that repeat their elements, on the CPU, against f64.
#include "support/catch.hpp"
#include "support/products.hpp"
#include "support/step_check.hpp"

using namespace formwork;
using namespace formwork::testing;

TEST_CASE("product: operands that repeat a row, a column or an element") {
  check_step<repeated_of<dtype::f32, 33, 50, 35>>(f32_tolerance(35));
  check_step<repeated_of<dtype::f64, 33, 50, 35>>(f32_tolerance(35) * 0x1p-29);
  check_step<repeated_of<dtype::bf16, 33, 50, 35>>(0.75 * 0x1p-8);
  check_step<repeated_of<dtype::f32, 1, 50, 35>>(f32_tolerance(35));
  check_step<repeated_of<dtype::f32, 33, 50, 1>>(f32_tolerance(1));
  check_step<repeated_of<dtype::f32, 33, 1, 35>>(f32_tolerance(35));
}
TEST_CASE("product: the gradients of a mean over rows") { check_step<pooled_of<37, 50, 33>>(f32_tolerance(50)); }
