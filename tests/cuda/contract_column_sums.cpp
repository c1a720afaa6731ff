// Products whose kernels sum their results down the columns, lane by lane: every kind of unit, tiles that the rows do and do
// not fill, batches, and the gradients of a layer.
#include "cuda/contract_check.hpp"
#include "support/product_sums.hpp"

namespace formwork::gpu::detail {

template <> struct contract_schedule_of<gpu_products::half, 1, 150, 136, 40, 1, true> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::half, 0, 40); };
template <> struct contract_schedule_of<gpu_products::plain, 1, 140, 150, 20, 1, true> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::plain, 0, 20); };

}  // namespace formwork::gpu::detail

namespace {

using emulator::fault;
using exact = gpu::options<gpu::f32_products::exact>;
constexpr double sums_of(long k) { return f32_tolerance(static_cast<double>(k)); }

// K is long, and would be split.
static_assert(gpu::detail::contract_schedule_of<gpu_products::half, 1, 24, 40, 3000>::value.splits > 1);
static_assert(gpu::detail::contract_schedule_of<gpu_products::half, 1, 24, 40, 3000, 1, true>::value.splits == 1);

using faulty = summed_product_of<dtype::f32, 140, 150, 20>;  // two tiles of rows, and of columns

}  // namespace

TEST_CASE("contract column sums: multiply-add units, f32 and f64") {
  check_on_emulator<summed_product_of<dtype::f32, 37, 50, 33>, exact>(sums_of(33 + 37));
  check_on_emulator<summed_product_of<dtype::f32, 140, 150, 20>, exact>(sums_of(20 + 140));
  check_on_emulator<summed_product_of<dtype::f64, 37, 50, 36>>(sums_of(70) * 0x1p-29);
}
TEST_CASE("contract column sums: tensor cores") {
  check_on_emulator<summed_product_of<dtype::bf16, 40, 72, 48>>(2 * 0x1p-8);
  check_on_emulator<summed_product_of<dtype::bf16, 150, 136, 40>>(2 * 0x1p-8);
  check_on_emulator<summed_product_of<dtype::f16, 33, 50, 35>>(2 * 0x1p-11);
  check_on_emulator<summed_product_of<dtype::bf16, 24, 40, 3000>>(2 * 0x1p-8);
}
TEST_CASE("contract column sums: batches") { check_on_emulator<summed_batches_of<dtype::bf16, 24>>(2 * 0x1p-8); }
TEST_CASE("contract column sums: the gradient of a bias behind GELU") {
  check_on_emulator<hidden_training_of<37, 24, 50>, exact>(3 * sums_of(24 + 50 + 37));
  check_on_emulator<with_sums<lowered<hidden_training<40, 24, 48>, dtype::bf16>>>(4 * 0x1p-8);
}
TEST_CASE("contract column sums: without one of their barriers") {
  const double tolerance = sums_of(20 + 140);
  CHECK_FALSE((is_caught<faulty, exact>(tolerance, fault::none, 0)));
  for (const char* kernel : {"contract", "column sums"}) {
    emulator::synchronization count;
    emulator::settings how{.only = kernel, .count = &count};
    compare_step<faulty, emulator::device<exact>>({.queue = &how});
    CAPTURE(kernel, count.barriers);
    CHECK(count.barriers >= 3);  // two sums: the staged results, the sums of threads, and those of the second
    for (int at = 0; at < count.barriers; ++at) {
      CAPTURE(at);
      CHECK((is_caught<faulty, exact>(tolerance, fault::drop_barrier, at, kernel)));
    }
  }
}
