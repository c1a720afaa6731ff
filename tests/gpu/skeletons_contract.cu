// Products: operands stored in every order, in bf16, f16, tf32, f32 and f64, edges, batches, a long K; operands that are
// computed; two products with one epilogue; rows of odd widths, which lie apart; sums of the results; a linear layer with
// its cross-entropy part by part.
#include "formwork/nn/loss.hpp"
#include "gpu/skeletons.cuh"
#include "support/odd_rows.hpp"
#include "support/product_sums.hpp"
#include "support/prologues.hpp"

namespace formwork::testing {

namespace {
// One rounding to the format's digits per operand, which cancel like a random walk; sums of K products in f32.
constexpr double sums_of(double k) { return f32_tolerance(k + 8); }
constexpr double rounded_to(int bits) { return 1.5 / static_cast<double>(1 << bits); }
struct head_loss {
  constexpr auto operator()(auto const& m, auto const& in) const {
    return linear_cross_entropy<13>(m.b, [&](auto const& x) { return matmul(x, m.a) + m.c; }, in.i);
  }
};
using head = gradients_of<head_loss, three<shape<20, 70>, shape<39, 20>, shape<70>>, indices<shape<39>>>;
}  // namespace

std::vector<checked_program> contract_skeletons() {
  return {checked<four_products<dtype::bf16, 40, 72, 48>>("bf16", sums_of(48)),
          checked<four_products<dtype::f16, 33, 50, 35>>("f16, odd rows", sums_of(35)),
          checked<four_products<dtype::f32, 33, 50, 35>>("tf32", 2 * 0x1p-11),
          checked<four_products<dtype::f32, 33, 50, 35>, cuda_exact_device>("f32", sums_of(35)),
          checked<product_of<dtype::f64, 33, 70, 35>>("f64", sums_of(35) * 0x1p-29),
          checked<product_of<dtype::bf16, 150, 140, 72>>("bf16, several tiles", sums_of(72)),
          checked<product_of<dtype::bf16, 24, 40, 3000, true, false>>("bf16, K in parts", sums_of(3000)),
          checked<batched_of<dtype::bf16>>("batches", sums_of(40)),
          checked<computed_products_of<dtype::bf16, 40, 72, 48>>("computed operands", rounded_to(8)),
          checked<with_prologues<normed_gated_of<21, 40, 48>>, cuda_exact_device>("a norm before SwiGLU", 3 * sums_of(80)),
          checked<gated_training_of<33, 40, 36, true>, cuda_exact_device>("SwiGLU and its gradients", 4 * sums_of(40)),
          checked<lowered<gated_of<150, 136, 40>, dtype::bf16>>("SwiGLU in bf16", 3 * 0x1p-8),
          checked<summed_rows_of<dtype::bf16, 40, 72, 48>>("sums along rows in bf16", 2 * 0x1p-8),
          checked<summed_twice_of<dtype::f32, 37, 150, 33>, cuda_exact_device>("sums both ways", sums_of(33 + 150)),
          checked<odd_rows_of<dtype::bf16, 37, 77>>("rows of an odd width in bf16", 3 * 0x1p-9),
          checked<odd_rows_of<dtype::f32, 37, 77, 3>>("batches of rows of an odd width in tf32", 2 * 0x1p-11),
          checked<odd_rows_of<dtype::f32, 37, 77>, cuda_exact_device>("rows of an odd width in f32", sums_of(24 + 77)),
          checked<odd_weights_of<dtype::bf16, 40, 77, true>>("SwiGLU with weights of an odd width", 3 * 0x1p-9),
          checked<head, cuda_exact_device>("linear cross-entropy", f32_tolerance(20 + 70 + 39), {.integer_limit = 70})};
}

}  // namespace formwork::testing
