// Products that sum their results, as nvcc sees them. Down the columns: the way back through GELU with the bias' gradient in
// bf16, a sum and a maximum in f32, and sizes that fill no tile. Along the rows: a residual stream whose RMS norm the next
// product reads, in bf16, and a mean and a maximum in f32.
#include "formwork/backend/cuda/cuda.hpp"
#include "formwork/ops/gelu_tanh.hpp"
#include "formwork/ops/rsqrt.hpp"
#include "formwork/ops/square.hpp"
#include "formwork/passes/differentiate.hpp"
#include "formwork/passes/simplify.hpp"
#include "formwork/run/step.hpp"
#include "formwork/trace/contract.hpp"
#include "formwork/trace/reductions.hpp"
#include "formwork/trace/trace.hpp"

using namespace formwork;

namespace {

struct nothing {};
struct matrices {
  using hidden = input<dtype::bf16, shape<4096, 3072>>;
  using bias_type = input<dtype::bf16, shape<3072>>;
  using down = input<dtype::bf16, shape<3072, 768>>;
  using rows = input<dtype::bf16, shape<4096, 768>>;
  using inner = input<dtype::bf16, shape<3072, 768>>;
  using up = input<dtype::bf16, shape<768, 3072>>;
  using odd_left = input<dtype::f32, shape<1001, 333>>;
  using odd_right = input<dtype::f32, shape<333, 457>>;
  BOOST_HANA_DEFINE_STRUCT(matrices, (hidden, z), (bias_type, bias), (down, w), (rows, dy), (odd_left, a), (odd_right, b), (inner, v), (up, u));
};
template <class Y, class B, class Z, class S, class X, class A> struct results {
  BOOST_HANA_DEFINE_STRUCT(results, (Y, dz), (B, db), (Z, odd), (S, sum), (S, most), (X, x), (Y, y), (A, along), (A, longest));
};
struct products {
  constexpr auto operator()(auto const&, auto const& in) const {
    auto dz = matmul(in.dy, matrix_transpose(in.w)) * gelu_tanh(in.z + in.bias);
    auto db = sum<0>(dz);
    auto odd = gelu_tanh(matmul(in.a, in.b));
    auto down = sum<0>(odd);
    auto x = in.dy + matmul(in.z, in.v);
    auto wide = cast<dtype::f32>(x);
    auto norm = cast<dtype::bf16>(wide * rsqrt(mean<-1>(square(wide)) + 1e-5));
    auto y = matmul(norm, in.u);
    auto longest = maximum<1>(odd);
    return results<decltype(dz), decltype(db), decltype(odd), decltype(down), decltype(x), decltype(longest)>{dz, db, odd, down, maximum<0>(odd), x, y, mean<1>(odd), longest};
  }
};
struct source {
  static constexpr bool prologues = true, sums = true;
  static constexpr graph make() { return simplify(trace<products, nothing, matrices>()); }
};
static_assert(compiled<source>::kernels == 4);

}  // namespace

void one_step(step_memory const& memory) { step<compiled<source>, cuda_device>::run(memory); }
void one_exact_step(step_memory const& memory) { step<compiled<source>, cuda_exact_device>::run(memory); }
