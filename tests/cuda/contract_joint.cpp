// Two products with one epilogue as one CUDA kernel: tiles that both share, on tensor cores and on multiply-add units,
// with K in one piece and split.
#include "cuda/contract_check.hpp"
#include "support/gated.hpp"

namespace formwork::gpu::detail {

template <> struct contract_schedule_of<gpu_products::half, 1, 150, 136, 40, 2> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::half, 0, 40); };

constexpr gpu_contract_schedule flat_in_three() {
  gpu_contract_schedule s = gpu_contract_tile(gpu_products::half, 3, 2);
  s.splits = 3;
  s.depth_each = 256;
  return s;
}
template <> struct contract_schedule_of<gpu_products::half, 1, 24, 40, 600, 2> { static constexpr gpu_contract_schedule value = flat_in_three(); };

}  // namespace formwork::gpu::detail

namespace {

using exact = gpu::options<gpu::f32_products::exact>;
constexpr double sums_of(long k) { return f32_tolerance(static_cast<double>(k)); }

// The flattest tile is wider for two.
static_assert(gpu_contract_tile(gpu_products::half, 3, 2).tile_columns == 128 && gpu_contract_tile(gpu_products::half, 3).tile_columns == 64);

}  // namespace

TEST_CASE("joint products: f32 by multiply-add units, both ways of storage") {
  check_on_emulator<gated_of<37, 50, 33>, exact>(2 * sums_of(33));
  check_on_emulator<gated_training_of<33, 40, 36, true>, exact>(4 * sums_of(40));
}
TEST_CASE("joint products: tf32") { check_on_emulator<gated_of<40, 52, 24>>(8 * 0x1p-11); }
TEST_CASE("joint products: bf16, the large tile and the flat one") {
  check_on_emulator<lowered<gated_of<150, 136, 40>, dtype::bf16>>(3 * 0x1p-8);
  check_on_emulator<lowered<gated_of<9, 72, 64, true>, dtype::bf16>>(3 * 0x1p-8);
  check_on_emulator<lowered<gated_of<21, 35, 37>, dtype::bf16>>(3 * 0x1p-8);
}
TEST_CASE("joint products: bf16, K split") { check_on_emulator<lowered<gated_of<24, 40, 600>, dtype::bf16>>(3 * 0x1p-8); }
TEST_CASE("joint products: faults are met") {
  using emulator::fault;
  using source = lowered<gated_of<9, 72, 64, true>, dtype::bf16>;
  check_faults<source>(3 * 0x1p-8, {2, 1});
}
