// Products that sum their results down the columns, as nvcc sees them: the way back through GELU with the bias' gradient in
// bf16, a sum and a maximum in f32, and sizes that fill no tile.
#include "formwork/backend/cuda/cuda.hpp"
#include "formwork/ops/gelu_tanh.hpp"
#include "formwork/passes/differentiate.hpp"
#include "formwork/passes/simplify.hpp"
#include "formwork/run/step.hpp"
#include "formwork/trace/contract.hpp"
#include "formwork/trace/trace.hpp"

using namespace formwork;

namespace {

struct nothing {};
struct matrices {
  using hidden = input<dtype::bf16, shape<4096, 3072>>;
  using bias_type = input<dtype::bf16, shape<3072>>;
  using down = input<dtype::bf16, shape<3072, 768>>;
  using rows = input<dtype::bf16, shape<4096, 768>>;
  using odd_left = input<dtype::f32, shape<1001, 333>>;
  using odd_right = input<dtype::f32, shape<333, 457>>;
  BOOST_HANA_DEFINE_STRUCT(matrices, (hidden, z), (bias_type, bias), (down, w), (rows, dy), (odd_left, a), (odd_right, b));
};
template <class Y, class B, class Z, class S> struct results { BOOST_HANA_DEFINE_STRUCT(results, (Y, dz), (B, db), (Z, odd), (S, sum), (S, most)); };
struct products {
  constexpr auto operator()(auto const&, auto const& in) const {
    auto dz = matmul(in.dy, matrix_transpose(in.w)) * gelu_tanh(in.z + in.bias);
    auto db = sum<0>(dz);
    auto odd = gelu_tanh(matmul(in.a, in.b));
    auto down = sum<0>(odd);
    return results<decltype(dz), decltype(db), decltype(odd), decltype(down)>{dz, db, odd, down, maximum<0>(odd)};
  }
};
struct source {
  static constexpr bool column_sums = true;
  static constexpr graph make() { return simplify(trace<products, nothing, matrices>()); }
};
static_assert(compiled<source>::kernels == 2);

}  // namespace

void one_step(step_memory const& memory) { step<compiled<source>, cuda_device>::run(memory); }
void one_exact_step(step_memory const& memory) { step<compiled<source>, cuda_exact_device>::run(memory); }
