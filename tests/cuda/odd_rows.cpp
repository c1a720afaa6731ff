// Rows of odd widths on a GPU: they lie apart, so that products copy them as wide as others, and the last copy of a row
// brings zeros from where the row ends.
#include "cuda/contract_check.hpp"
#include "support/odd_rows.hpp"

namespace {

using exact = gpu::options<gpu::f32_products::exact>;
constexpr double sums_of(long k) { return f32_tolerance(static_cast<double>(k)); }
constexpr double rounded = 3 * 0x1p-9;  // an operand rounded to bf16, that cancels

template <class Source, int K> using shape_of = typename gpu::kernel_plan<kernel_type<compiled<Source>, K>, gpu::options<>>::shape;

}  // namespace

TEST_CASE("odd rows: products along them and down their columns") {
  check_on_emulator<odd_rows_of<dtype::bf16, 37, 77>>(rounded);
  check_on_emulator<odd_rows_of<dtype::f16, 37, 77>>(rounded / 8);
  check_on_emulator<odd_rows_of<dtype::f32, 37, 77>>(2 * 0x1p-11);
  check_on_emulator<odd_rows_of<dtype::f32, 37, 77>, exact>(sums_of(24 + 77));
  check_on_emulator<odd_rows_of<dtype::f64, 37, 77>>(sums_of(24 + 77) * 0x1p-29);
}
TEST_CASE("odd rows: every copy, load and store is as wide as the machine allows") {
  using made = shape_of<odd_rows_of<dtype::bf16, 37, 77>, 0>;
  using shifted = shape_of<odd_rows_of<dtype::bf16, 37, 77>, 1>;
  using along = shape_of<odd_rows_of<dtype::bf16, 37, 77>, 2>;
  using down = shape_of<odd_rows_of<dtype::bf16, 37, 77>, 3>;
  STATIC_REQUIRE((made::k == 24 && along::k == 77 && down::m == 77));
  STATIC_REQUIRE(gpu::detail::contract_epilogue<made, made::sums>::vector == 8);
  STATIC_REQUIRE(shifted::schedule.vector == 8);
  STATIC_REQUIRE(along::a_operand::unit_bytes(16) == 16);
  STATIC_REQUIRE(down::a_operand::unit_bytes(16) == 16);
}
TEST_CASE("odd rows: a copy that brings what lies behind a row is seen") {
  check_faults<odd_rows_of<dtype::bf16, 20, 77>>(rounded, {.barriers = 0, .waits = 0}, {emulator::fault::wide_predicate});
}
TEST_CASE("odd rows: every width of a last copy") {
  check_on_emulator<odd_rows_of<dtype::bf16, 20, 65>>(rounded);
  check_on_emulator<odd_rows_of<dtype::bf16, 20, 70>>(rounded);
  check_on_emulator<odd_rows_of<dtype::bf16, 20, 71>>(rounded);
  check_on_emulator<odd_rows_of<dtype::bf16, 20, 300>>(rounded);
  check_on_emulator<odd_rows_of<dtype::f32, 20, 33>>(2 * 0x1p-11);
  check_on_emulator<odd_rows_of<dtype::f32, 20, 34>, exact>(sums_of(24 + 34));
}
TEST_CASE("odd rows: batches") {
  check_on_emulator<odd_rows_of<dtype::bf16, 20, 77, 3>>(rounded);
  check_on_emulator<odd_rows_of<dtype::f32, 20, 77, 3>, exact>(sums_of(24 + 77));
}
TEST_CASE("odd rows: products that compute their operands from them") {
  using source = with_prologues<odd_rows_of<dtype::bf16, 37, 77>>;
  using made = shape_of<source, 0>;
  STATIC_REQUIRE((made::k == 24 && gpu::detail::contract_epilogue<made, made::sums>::vector == 8));
  STATIC_REQUIRE(shape_of<source, 2>::a_operand::computed);
  check_on_emulator<source>(rounded);
  check_on_emulator<with_prologues<odd_rows_of<dtype::f32, 37, 77>>, exact>(sums_of(24 + 77));
}
TEST_CASE("odd rows: two products that share a tile") {
  check_on_emulator<odd_weights_of<dtype::bf16, 40, 77, false>>(rounded);
  check_on_emulator<odd_weights_of<dtype::bf16, 40, 77, true>>(rounded);
  check_on_emulator<odd_weights_of<dtype::f32, 40, 77, false>, exact>(sums_of(40 + 77));
  check_on_emulator<odd_weights_of<dtype::f32, 40, 77, true>, exact>(sums_of(40 + 77));
}
