// Products that compute their operands on the CPU, against f64.
#include "support/catch.hpp"
#include "support/prologues.hpp"
#include "support/step_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

template <class Source, int Kernels> void check(double tolerance) {
  STATIC_REQUIRE(compiled<Source>::kernels == Kernels);
  check_step<Source>(tolerance);
}

constexpr double sums_of(long n) { return f32_tolerance(static_cast<double>(n)); }
constexpr double rounded_to(int bits) { return 0.75 / static_cast<double>(1L << bits); }  // elements, as in cuda/contract_prologue.cpp

// A budget that is met as soon as the norm is not stored.
struct within_budget : with_prologues<normed_training_of<37, 24, 48>> { static constexpr long workspace_budget = 12'000; };

}  // namespace

TEST_CASE("prologue: either operand and both, in f32, f64 and 16 bits") {
  check<computed_products_of<dtype::f32, 33, 50, 35>, 4>(sums_of(40));
  check<computed_both_of<dtype::f64, 33, 50, 35>, 1>(sums_of(40) * 0x1p-29);
  check<computed_products_of<dtype::bf16, 40, 72, 48>, 4>(rounded_to(8));
  check<computed_products_of<dtype::f16, 33, 50, 35>, 4>(rounded_to(11));
}
TEST_CASE("prologue: batches") { check<computed_batches_of<dtype::f32>, 2>(sums_of(40)); }
TEST_CASE("prologue: values per row and per column, random numbers") { check<with_prologues<masked_product_of<37, 50, 33>>, 1>(sums_of(40)); }
TEST_CASE("prologue: an RMS norm before products leaves one value per row") {
  check<with_prologues<normed_product_of<37, 50, 33>>, 2>(sums_of(80));
  STATIC_REQUIRE(compiled<with_prologues<normed_product_of<37, 50, 33>>>::value.workspace_bytes == 3 * 64);  // 37 values
  check<with_prologues<normed_gated_of<21, 40, 48>>, 2>(3 * sums_of(80));
  check<with_prologues<lowered<normed_gated_of<21, 40, 48>, dtype::bf16>>, 2>(3 * rounded_to(8));
  check<with_prologues<normed_training_of<37, 24, 48>>, 6>(3 * sums_of(80));
  STATIC_REQUIRE((compiled<normed_training_of<37, 24, 48>>::value.workspace_bytes > 12'000 && compiled<within_budget>::choices.count == 0));
}
