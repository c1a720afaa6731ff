// Products whose kernels sum their results along the rows, lane by lane: every kind of unit, tiles that the columns do and
// do not fill, batches, and the norm between two products.
#include "cuda/contract_check.hpp"
#include "support/product_sums.hpp"

namespace formwork::gpu::detail {

template <> struct contract_schedule_of<gpu_products::half, 1, 136, 150, 40, 1, true> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::half, 0, 40); };
template <> struct contract_schedule_of<gpu_products::plain, 1, 140, 150, 20, 1, true> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::plain, 0, 20); };

}  // namespace formwork::gpu::detail

namespace {

using emulator::fault;
using exact = gpu::options<gpu::f32_products::exact>;
using tf32 = gpu::options<gpu::f32_products::tf32>;
constexpr double sums_of(long k) { return f32_tolerance(static_cast<double>(k)); }

using faulty = summed_rows_of<dtype::f32, 140, 150, 20>;  // two tiles of rows, and of columns

}  // namespace

TEST_CASE("contract row sums: multiply-add units, f32 and f64") {
  check_on_emulator<summed_rows_of<dtype::f32, 37, 50, 33>, exact>(sums_of(33 + 50));
  check_on_emulator<summed_rows_of<dtype::f32, 140, 150, 20>, exact>(sums_of(20 + 150));
  check_on_emulator<summed_rows_of<dtype::f64, 37, 50, 36>>(sums_of(86) * 0x1p-29);
}
TEST_CASE("contract row sums: tensor cores") {
  check_on_emulator<summed_rows_of<dtype::bf16, 40, 72, 48>>(2 * 0x1p-8);
  check_on_emulator<summed_rows_of<dtype::bf16, 136, 150, 40>>(2 * 0x1p-8);
  check_on_emulator<summed_rows_of<dtype::f16, 33, 50, 35, true, true>>(2 * 0x1p-11);
  check_on_emulator<summed_rows_of<dtype::f32, 33, 72, 40>, tf32>(2 * 0x1p-11);
  check_on_emulator<summed_rows_of<dtype::bf16, 24, 40, 3000>>(2 * 0x1p-8);  // K would be split
}
TEST_CASE("contract row sums: batches, and sums down the columns beside them") {
  check_on_emulator<summed_rows_of_batches_of<dtype::bf16, 50>>(2 * 0x1p-8);
  check_on_emulator<summed_twice_of<dtype::f32, 37, 150, 33>, exact>(sums_of(33 + 150));
}
TEST_CASE("contract row sums: an RMS norm between two products") {
  check_on_emulator<with_sums<with_prologues<residual_of<37, 24, 50>>>, exact>(2 * sums_of(24 + 24));
  check_on_emulator<with_sums<with_prologues<lowered<residual_of<40, 144, 48>, dtype::bf16>>>>(3 * 0x1p-8);
}
TEST_CASE("contract row sums: without one of their barriers, and with rows exchanged") {
  const double tolerance = sums_of(20 + 150);
  CHECK_FALSE((is_caught<faulty, exact>(tolerance, fault::none, 0)));
  emulator::synchronization count;
  emulator::settings how{.only = "contract", .count = &count};
  compare_step<faulty, emulator::device<exact>>({.queue = &how});
  CHECK(count.barriers >= 3);
  for (int at = 0; at < count.barriers; ++at) {
    CAPTURE(at);
    CHECK((is_caught<faulty, exact>(tolerance, fault::drop_barrier, at, "contract")));
  }
  CHECK((is_caught<summed_rows_of<dtype::bf16, 40, 72, 48>>(2 * 0x1p-8, fault::swapped_rows, 0, "contract")));
}
