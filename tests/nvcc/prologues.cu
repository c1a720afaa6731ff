// Products that compute what they read, as nvcc sees them: an activation in front of a product, left and right, a norm, and
// sizes that fill no tile.
#include "formwork/backend/cuda/cuda.hpp"
#include "formwork/nn/normalization.hpp"
#include "formwork/ops/gelu.hpp"
#include "formwork/ops/silu.hpp"
#include "formwork/passes/simplify.hpp"
#include "formwork/run/step.hpp"
#include "formwork/trace/contract.hpp"
#include "formwork/trace/trace.hpp"

using namespace formwork;

namespace {

struct nothing {};
struct matrices {
  using hidden = input<dtype::bf16, shape<4096, 3072>>;
  using rows = input<dtype::bf16, shape<4096, 768>>;
  using down = input<dtype::bf16, shape<3072, 768>>;
  using up = input<dtype::bf16, shape<768, 2304>>;
  using gain_type = input<dtype::bf16, shape<768>>;
  using odd = input<dtype::bf16, shape<1000, 333>>;
  BOOST_HANA_DEFINE_STRUCT(matrices, (hidden, x), (rows, y), (down, w), (up, v), (gain_type, gain), (odd, a), (odd, b));
};
template <class A, class B, class C, class D> struct results { BOOST_HANA_DEFINE_STRUCT(results, (A, activated), (B, gradient), (C, normed), (D, odd)); };
struct products {
  constexpr auto operator()(auto const&, auto const& in) const {
    auto activated = matmul(gelu(in.x), in.w);
    auto gradient = matmul(matrix_transpose(in.x * 2.0), silu(in.y));
    auto normed = matmul(divide_by_rms(in.y) * in.gain, in.v);
    auto odd = matmul(matrix_transpose(silu(in.a)), gelu(in.b));
    return results<decltype(activated), decltype(gradient), decltype(normed), decltype(odd)>{activated, gradient, normed, odd};
  }
};
struct source {
  static constexpr bool prologues = true;
  static constexpr graph make() { return simplify(trace<products, nothing, matrices>()); }
};
static_assert(compiled<source>::kernels == 5);

}  // namespace

void one_step(step_memory const& memory) { step<compiled<source>, cuda_device>::run(memory); }
