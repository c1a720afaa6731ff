// SwiGLU and its gradients as nvcc sees them: two products with one epilogue, in bf16, in tf32 with an edge, and in f32.
#include "formwork/backend/cuda/cuda.hpp"
#include "formwork/nn/mlp.hpp"
#include "formwork/ops/square.hpp"
#include "formwork/passes/differentiate.hpp"
#include "formwork/passes/lower_precision.hpp"
#include "formwork/passes/simplify.hpp"
#include "formwork/run/step.hpp"
#include "formwork/trace/reductions.hpp"
#include "formwork/trace/trace.hpp"

using namespace formwork;

namespace {

template <long Rows, long Width> struct rows_of {
  using x_t = input<dtype::f32, shape<Rows, Width>>;
  BOOST_HANA_DEFINE_STRUCT(rows_of, (x_t, x));
};
struct squares {
  constexpr auto operator()(auto const& m, auto const& in) const { return reshape<>(sum<>(square(m(in.x)))); }
};
template <long Rows, long Width, long Hidden, dtype Storage> struct source {
  static constexpr graph make() {
    return lower_precision(simplify(differentiate(simplify(trace<squares, gated_mlp<Width, Hidden>, rows_of<Rows, Width>>(), stop_gradients::keep))), Storage);
  }
};

}  // namespace

void bf16_step(step_memory const& memory) { step<compiled<source<4096, 512, 1408, dtype::bf16>>, cuda_device>::run(memory); }
void tf32_step(step_memory const& memory) { step<compiled<source<300, 100, 260, dtype::f32>>, cuda_device>::run(memory); }
void f32_step(step_memory const& memory) { step<compiled<source<300, 100, 260, dtype::f32>>, cuda_exact_device>::run(memory); }
