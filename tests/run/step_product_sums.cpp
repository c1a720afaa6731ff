// Products that sum their results, down the columns or along the rows, on the CPU, against f64.
#include "support/catch.hpp"
#include "support/product_sums.hpp"
#include "support/step_check.hpp"
#include "support/threads.hpp"

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
  check_step<with_sums<lowered<hidden_training<40, 24, 48>, dtype::bf16>>>(4 * 0x1p-8);
}

TEST_CASE("row sums: a product, its rows' sums and maxima and what follows from them are one kernel") {
  STATIC_REQUIRE(compiled<summed_rows_of<dtype::f32, 37, 50, 33>>::kernels == 1);
  check_step<summed_rows_of<dtype::f32, 37, 50, 33>>(sums_of(33 + 50));
  check_step<summed_rows_of<dtype::f32, 300, 192, 16>>(sums_of(16 + 192));
  check_step<summed_rows_of<dtype::f32, 1, 700, 24>>(sums_of(24 + 700));
  check_step<summed_rows_of<dtype::f32, 5, 3, 900>>(sums_of(900));
  check_step<summed_rows_of<dtype::f64, 37, 50, 33>>(sums_of(83) * 0x1p-29);
  check_step<summed_rows_of<dtype::bf16, 37, 50, 32>>(2 * 0x1p-8);
}
TEST_CASE("row sums: operands stored transposed, batches, and sums down the columns beside them") {
  STATIC_REQUIRE(compiled<summed_rows_of_batches_of<dtype::f32, 50>>::kernels == 1);
  STATIC_REQUIRE(compiled<summed_twice_of<dtype::f32, 37, 50, 33>>::kernels == 1);
  check_step<summed_rows_of<dtype::f32, 37, 50, 33, true, false>>(sums_of(33 + 50));
  check_step<summed_rows_of<dtype::f32, 37, 50, 33, true, true>>(sums_of(33 + 50));
  check_step<summed_rows_of_batches_of<dtype::f32, 50>>(sums_of(40 + 50));
  check_step<summed_twice_of<dtype::f32, 37, 50, 33>>(sums_of(33 + 50));
  check_step<summed_twice_of<dtype::f32, 40, 40, 16>>(sums_of(16 + 40));
}
TEST_CASE("row sums: an RMS norm between two products has no kernel of its own") {
  STATIC_REQUIRE(compiled<with_sums<with_prologues<residual_of<37, 24, 50>>>>::kernels == 2);
  STATIC_REQUIRE(compiled<with_prologues<residual_of<37, 24, 50>>>::kernels == 3);
  check_step<with_sums<with_prologues<residual_of<37, 24, 50>>>>(2 * sums_of(24 + 24));
  check_step<with_sums<with_prologues<lowered<residual_of<37, 24, 48>, dtype::bf16>>>>(3 * 0x1p-8);
  check_step<with_sums<with_prologues<residual_training_of<37, 24, 50>>>>(3 * sums_of(24 + 24 + 37));
}
TEST_CASE("row sums: the same bits on any number of threads") {
  const auto hashes = [](auto source) {
    std::vector<std::uint64_t> all;
    for (auto const& c : compare_step<decltype(source)>()) all.push_back(c.bits);
    return all;
  };
  const auto same = [&](auto source) {
    std::vector<std::uint64_t> alone;
    {
      thread_guard one(1);
      alone = hashes(source);
    }
    for (int threads : {2, 3, 5}) {
      thread_guard some(threads);
      CAPTURE(threads);
      CHECK(hashes(source) == alone);
    }
  };
  same(summed_rows_of<dtype::f32, 300, 192, 16>{});
  same(summed_rows_of<dtype::f32, 1, 700, 24>{});
  same(summed_twice_of<dtype::f32, 37, 50, 33>{});
}
