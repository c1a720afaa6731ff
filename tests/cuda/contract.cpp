// Matrix products on tensor cores, lane by lane.
#include "cuda/contract_check.hpp"

namespace formwork::gpu::detail {

// The large tiles, for products too small to choose them.
template <> struct contract_schedule_of<gpu_products::half, 1, 150, 140, 72> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::half, 0, 72); };
template <> struct contract_schedule_of<gpu_products::half, 1, 150, 80, 72> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::half, 1, 72); };
template <> struct contract_schedule_of<gpu_products::half, 1, 70, 80, 136> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::half, 2, 136); };
template <> struct contract_schedule_of<gpu_products::half, 1, 20, 80, 136> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::half, 3, 136); };
template <> struct contract_schedule_of<gpu_products::tf32, 1, 150, 140, 36> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::tf32, 0, 36); };
template <> struct contract_schedule_of<gpu_products::tf32, 1, 20, 80, 70> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::tf32, 3, 70); };

}  // namespace formwork::gpu::detail

namespace {

// Sums of products of operands that f32 holds exactly.
constexpr double sums_of(long k) { return f32_tolerance(static_cast<double>(k)); }

// f32 operands rounded to the 11 bits of tf32: each has an error of at most 2^-11, of 0.41 2^-11 at the root of the mean
// square of those of a binade, and two of them 0.58 2^-11. Cut off rather than rounded they would have twice that.
constexpr double tf32_tolerance = 0.75 * 0x1p-11;

}  // namespace

TEST_CASE("contract: bf16 operands, contiguous along either axis") {
  check_on_emulator<four_products<dtype::bf16, 40, 72, 48>>(sums_of(48));
}
TEST_CASE("contract: f16 operands whose rows begin at odd places") {
  check_on_emulator<four_products<dtype::f16, 33, 50, 35>>(sums_of(35));
}
TEST_CASE("contract: f32 operands as tf32") {
  check_on_emulator<four_products<dtype::f32, 40, 72, 44>>(tf32_tolerance);
  check_on_emulator<four_products<dtype::f32, 33, 50, 35>>(tf32_tolerance);
}
TEST_CASE("contract: every tile") {
  check_on_emulator<product_of<dtype::bf16, 150, 140, 72>>(sums_of(72));
  check_on_emulator<product_of<dtype::bf16, 150, 80, 72, true, false>>(sums_of(72));
  check_on_emulator<product_of<dtype::bf16, 70, 80, 136, false, true>>(sums_of(136));
  check_on_emulator<product_of<dtype::bf16, 20, 80, 136, true, true>>(sums_of(136));
  check_on_emulator<product_of<dtype::f32, 150, 140, 36, true, false>>(tf32_tolerance);
  check_on_emulator<product_of<dtype::f32, 20, 80, 70, false, true>>(tf32_tolerance);
}
TEST_CASE("contract: K split among blocks") {
  using split = gpu::detail::contract_schedule_of<gpu_products::half, 1, 24, 40, 3000>;
  STATIC_REQUIRE(split::value.splits > 4);
  check_on_emulator<product_of<dtype::bf16, 24, 40, 3000, true, false>>(sums_of(3000));
}
TEST_CASE("contract: batches, and an operand that they share") {
  check_on_emulator<batched_of<dtype::bf16>>(sums_of(40));
}
TEST_CASE("contract: what goes wrong is seen") {
  // Five tiles of depth, each with a wait and a barrier, in four stages, so that the last tile lies where the epilogue
  // begins to write; then the two barriers of the epilogue.
  constexpr auto s = gpu::detail::contract_schedule_of<gpu_products::half, 1, 40, 72, 300>::value;
  STATIC_REQUIRE((s.splits == 1 && s.tile_depth == 64 && s.stages == 4));
  check_faults<product_of<dtype::bf16, 40, 72, 300, true, false>>(sums_of(300), {.barriers = 7, .waits = 5},
    {emulator::fault::wrong_swizzle, emulator::fault::wide_predicate, emulator::fault::swapped_rows});
}
