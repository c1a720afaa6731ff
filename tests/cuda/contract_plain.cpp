// Matrix products by multiply-add units, and what follows a product, lane by lane.
#include "cuda/contract_check.hpp"

namespace formwork::gpu::detail {

template <> struct contract_schedule_of<gpu_products::plain, 1, 140, 150, 20> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::plain, 0, 20); };
template <> struct contract_schedule_of<gpu_products::plain, 1, 33, 50, 35> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::plain, 1, 35); };
template <> struct contract_schedule_of<gpu_products::wide, 1, 33, 70, 35> { static constexpr gpu_contract_schedule value = whole_depth(gpu_products::wide, 0, 35); };

}  // namespace formwork::gpu::detail

namespace {

using exact = gpu::options<gpu::f32_products::exact>;

constexpr double sums_of(long k) { return f32_tolerance(static_cast<double>(k)); }

// A perceptron in bf16 with parameters in f32: bias, GELU with its argument saved, dropout, residual, and all their
// gradients.
struct perceptron {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto half = [](auto x) { return cast<dtype::bf16>(x); };
    auto h = gelu(matmul(half(in.x), half(m.a)) + half(m.b));
    auto y = cast<dtype::f32>(matmul(h, half(m.c))) + m.d;
    auto z = select(random_like(y) < 0.7, y, 0.0 * y) + in.x;
    return mean<>(z * sin(z));
  }
};
using perceptron_of = gradients_of<perceptron, four<shape<40, 72>, shape<72>, shape<72, 40>, shape<40>>, numbers<shape<52, 40>>>;

struct perceptron_f32 {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto h = gelu(matmul(in.x, m.a) + m.b);
    auto y = matmul(h, m.c) + m.d;
    auto z = select(random_like(y) < 0.7, y, 0.0 * y) + in.x;
    return mean<>(z * sin(z));
  }
};
using perceptron_f32_of = gradients_of<perceptron_f32, four<shape<35, 50>, shape<50>, shape<50, 35>, shape<35>>, numbers<shape<52, 35>>>;

}  // namespace

TEST_CASE("contract: f32 operands, exactly") {
  check_on_emulator<four_products<dtype::f32, 40, 72, 44>, exact>(sums_of(44));
  check_on_emulator<four_products<dtype::f32, 33, 50, 35>, exact>(sums_of(35));
  check_on_emulator<product_of<dtype::f32, 140, 150, 20, false, true>, exact>(sums_of(20));
}
TEST_CASE("contract: operands that repeat a row, a column or an element, exactly") {
  check_on_emulator<repeated_of<dtype::f32, 33, 50, 35>, exact>(sums_of(35));
}
TEST_CASE("contract: f64 operands") {
  check_on_emulator<four_products<dtype::f64, 33, 70, 35>>(sums_of(35) * 0x1p-29);
}
TEST_CASE("contract: f32 operands exactly, K split among blocks") {
  using split = gpu::detail::contract_schedule_of<gpu_products::plain, 1, 24, 39, 2000>;
  STATIC_REQUIRE(split::value.splits > 4);
  check_on_emulator<product_of<dtype::f32, 24, 39, 2000, true, false>, exact>(sums_of(2000));
}
TEST_CASE("contract: f32 operands exactly, in batches") {
  check_on_emulator<batched_of<dtype::f32>, exact>(sums_of(40));
}
TEST_CASE("contract: a perceptron and its gradients, in bf16") {
  check_on_emulator<perceptron_of>(0x1p-7);
}
TEST_CASE("contract: a perceptron and its gradients, exactly") {
  check_on_emulator<perceptron_f32_of, exact>(f32_tolerance(300));
}
TEST_CASE("contract: what goes wrong is seen without tensor cores too") {
  // Five tiles of depth with a barrier each, then the epilogue's.
  constexpr auto s = gpu::detail::contract_schedule_of<gpu_products::plain, 1, 20, 24, 80>::value;
  STATIC_REQUIRE((s.splits == 1 && s.tile_depth == 16 && s.tile_rows == 32));
  check_faults<product_of<dtype::f32, 20, 24, 80>, exact>(sums_of(80), {.barriers = 7, .waits = 0});
}
