// Cross-entropy over parts of the tokens as CUDA kernels: products that add to the sum of the parts before, in place.
#include "cuda/check.hpp"
#include "formwork/formwork.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

// 3 parts of 13 of 39 rows. The head is (width, classes), or the transpose of a table of classes.
template <bool Tied> struct head_loss {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto head = [&](auto const& x) {
      if constexpr (Tied) return matmul(x, matrix_transpose(m.a));
      else return matmul(x, m.a) + m.c;
    };
    return linear_cross_entropy<13>(m.b, head, in.i);
  }
};
template <long Width, long Classes> using head_of = gradients_of<head_loss<false>, three<shape<Width, Classes>, shape<39, Width>, shape<Classes>>, indices<shape<39>>>;
template <long Width, long Classes> using tied_head_of = gradients_of<head_loss<true>, two<shape<Classes, Width>, shape<39, Width>>, indices<shape<39>>>;

}  // namespace

// A product over `Width`, one over the classes and one over the rows.
TEST_CASE("linear cross-entropy: f32") {
  check_on_emulator<head_of<20, 70>, gpu::options<gpu::f32_products::exact>>(f32_tolerance(20 + 70 + 39), {.integer_limit = 70});
}
TEST_CASE("linear cross-entropy: bf16, a tied head whose gradient is summed in f32") {
  check_on_emulator<lowered<tied_head_of<24, 136>, dtype::bf16>>(4 * 0x1p-8, {.integer_limit = 136});
}
