// Operands that a product computes where it reads them, lane by lane.
#include "cuda/contract_check.hpp"
#include "support/prologues.hpp"

namespace formwork::gpu::detail {

// The large tiles, for products too small to choose them.
template <> struct contract_schedule_of<gpu_products::half, 1, 150, 140, 72> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::half, 0, 72); };
template <> struct contract_schedule_of<gpu_products::half, 1, 70, 80, 136> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::half, 2, 136); };
template <> struct contract_schedule_of<gpu_products::tf32, 1, 150, 140, 36> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::tf32, 0, 36); };
template <> struct contract_schedule_of<gpu_products::plain, 1, 140, 150, 20> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::plain, 0, 20); };

}  // namespace formwork::gpu::detail

namespace {

using exact = gpu::options<gpu::f32_products::exact>;

// Roundings of single elements to `bits` bits: an error of at most 2^-bits, of 0.41 2^-bits at the root of the mean
// square of those of a binade; two operands, and where sums cancel a little more.
constexpr double rounded_to(int bits) { return 0.75 / static_cast<double>(1L << bits); }
constexpr double sums_of(long k) { return f32_tolerance(static_cast<double>(k)); }

}  // namespace

TEST_CASE("contract prologue: bf16, either operand and both, contiguous along either axis") {
  STATIC_REQUIRE(compiled<computed_products_of<dtype::bf16, 40, 72, 48>>::kernels == 4);
  check_on_emulator<computed_products_of<dtype::bf16, 40, 72, 48>>(rounded_to(8));
}
TEST_CASE("contract prologue: f16, rows that begin at odd places") { check_on_emulator<computed_products_of<dtype::f16, 33, 50, 35>>(rounded_to(11)); }
TEST_CASE("contract prologue: whole tiles") { check_on_emulator<computed_both_of<dtype::bf16, 32, 128, 128>>(rounded_to(8)); }
TEST_CASE("contract prologue: f32 as tf32") { check_on_emulator<computed_both_of<dtype::f32, 33, 50, 35>>(rounded_to(11)); }
TEST_CASE("contract prologue: f32 and f64 exactly") {
  check_on_emulator<computed_products_of<dtype::f32, 33, 50, 35>, exact>(sums_of(40));
  check_on_emulator<computed_both_of<dtype::f64, 33, 50, 36>>(sums_of(40) * 0x1p-29);
}
TEST_CASE("contract prologue: the large tiles") {
  check_on_emulator<computed_both_of<dtype::bf16, 150, 140, 72>>(rounded_to(8));
  check_on_emulator<computed_left_of<dtype::bf16, 70, 80, 136>>(rounded_to(8));
  check_on_emulator<computed_both_of<dtype::f32, 150, 140, 36>>(rounded_to(11));
  check_on_emulator<computed_left_of<dtype::f32, 140, 150, 20>, exact>(sums_of(30));
}
TEST_CASE("contract prologue: K split among blocks") {
  using split = gpu::detail::contract_schedule_of<gpu_products::half, 1, 24, 40, 3000>;
  STATIC_REQUIRE(split::value.splits > 4);
  check_on_emulator<computed_both_of<dtype::bf16, 24, 40, 3000>>(rounded_to(8));
}
TEST_CASE("contract prologue: batches") {
  STATIC_REQUIRE(compiled<computed_batches_of<dtype::bf16>>::kernels == 2);
  check_on_emulator<computed_batches_of<dtype::bf16>>(rounded_to(8));
}
TEST_CASE("contract prologue: values per row and per column, random numbers") {
  using source = with_prologues<masked_product_of<37, 50, 33>>;
  STATIC_REQUIRE(compiled<source>::kernels == 1);
  check_on_emulator<source, exact>(sums_of(40));
  check_on_emulator<with_prologues<lowered<masked_product_of<40, 48, 64>, dtype::bf16>>>(2 * rounded_to(8));
}
TEST_CASE("contract prologue: an RMS norm is one kernel that leaves a value per row, and products that normalize") {
  using source = with_prologues<normed_product_of<37, 50, 33>>;
  STATIC_REQUIRE(compiled<source>::kernels == 2);
  STATIC_REQUIRE(compiled<source>::value.workspace_bytes == 3 * 64);  // 37 values
  check_on_emulator<source, exact>(sums_of(80));
  using half = with_prologues<lowered<normed_product_of<40, 72, 64>, dtype::bf16>>;
  STATIC_REQUIRE(compiled<half>::kernels == 2);
  check_on_emulator<half>(2 * rounded_to(8));
  STATIC_REQUIRE(compiled<with_prologues<normed_gated_of<21, 40, 48>>>::kernels == 2);
  check_on_emulator<with_prologues<normed_gated_of<21, 40, 48>>, exact>(3 * sums_of(80));
  check_on_emulator<with_prologues<lowered<normed_training_of<40, 24, 48>, dtype::bf16>>>(4 * rounded_to(8));
}
TEST_CASE("contract prologue: what goes wrong is seen") {
  using emulator::fault;
  // Five tiles of depth, each with a barrier, then those of the epilogue.
  constexpr auto s = gpu::detail::contract_schedule_of<gpu_products::half, 1, 40, 72, 300>::value;
  STATIC_REQUIRE((s.splits == 1 && s.tile_depth == 64));
  check_faults<computed_both_of<dtype::bf16, 40, 72, 300>>(rounded_to(8), {.barriers = 7, .waits = 0}, {fault::wrong_swizzle, fault::swapped_rows});
  check_faults<computed_left_of<dtype::bf16, 40, 72, 300>>(rounded_to(8), {.barriers = 7, .waits = 5}, {fault::wide_predicate});
}
