// Products that sum their results down the columns on the CPU, against f64.
#include "support/catch.hpp"
#include "support/column_sums.hpp"
#include "support/step_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {
constexpr double sums_of(long n) { return f32_tolerance(static_cast<double>(n)); }
}  // namespace

TEST_CASE("column sums: a product, its results' sums and maxima are one kernel") {
  STATIC_REQUIRE(compiled<summed_product_of<dtype::f32, 37, 50, 33>>::kernels == 1);
  check_step<summed_product_of<dtype::f32, 37, 50, 33>>(sums_of(33 + 37));
  check_step<summed_product_of<dtype::f32, 300, 64, 16>>(sums_of(16 + 300));
  check_step<summed_product_of<dtype::f32, 1, 70, 24>>(sums_of(24));
  check_step<summed_product_of<dtype::f64, 37, 50, 33>>(sums_of(70) * 0x1p-29);
  check_step<summed_product_of<dtype::bf16, 37, 50, 32>>(2 * 0x1p-8);
}
TEST_CASE("column sums: over all batches") {
  STATIC_REQUIRE(compiled<summed_batches_of<dtype::f32, 24>>::kernels == 1);
  check_step<summed_batches_of<dtype::f32, 24>>(sums_of(40 + 60));
}
TEST_CASE("column sums: a bias' gradient is no kernel of its own") {
  STATIC_REQUIRE(compiled<hidden_training_of<37, 24, 50>>::kernels == compiled<hidden_training<37, 24, 50>>::kernels - 1);
  check_step<hidden_training_of<37, 24, 50>>(3 * sums_of(24 + 50 + 37));
  check_step<with_column_sums<lowered<hidden_training<40, 24, 48>, dtype::bf16>>>(4 * 0x1p-8);
}
