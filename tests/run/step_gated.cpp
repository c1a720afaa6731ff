// Two products with one epilogue as one CPU kernel, against f64.
#include "support/catch.hpp"
#include "support/gated.hpp"
#include "support/step_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

// Of sums of n terms in f32, two or three after each other.
constexpr double sums_of(long n) { return 3 * 3 * std::sqrt(static_cast<double>(n)) * 0x1p-24; }

}  // namespace

TEST_CASE("gated: one kernel for both products") {
  static_assert(compiled<gated_of<37, 50, 33>>::kernels == 1);
  check_step<gated_of<37, 50, 33>>(sums_of(33));
  check_step<gated_of<7, 129, 300, true>>(sums_of(300));
}
TEST_CASE("gated: gradients") { check_step<gated_training_of<37, 50, 33>>(sums_of(50)); }
TEST_CASE("gated: 16-bit storage") { check_step<lowered<gated_of<37, 48, 32>, dtype::bf16>>(3 * 0x1p-8); }
