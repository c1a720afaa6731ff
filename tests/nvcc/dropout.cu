// Attention with dropout, and its gradients, as nvcc sees it: random numbers that threads exchange, and, where rows of keys begin
// inside a block of random numbers, that each draws for itself.
#include "formwork/backend/cuda/cuda.hpp"
#include "formwork/nn/attention.hpp"
#include "formwork/ops/square.hpp"
#include "formwork/passes/differentiate.hpp"
#include "formwork/passes/simplify.hpp"
#include "formwork/run/step.hpp"
#include "formwork/trace/reductions.hpp"
#include "formwork/trace/trace.hpp"

using namespace formwork;

namespace {

struct nothing {};
template <long Time> struct heads {
  using queries = input<dtype::bf16, shape<4, Time, 4, 64>>;
  using keys = input<dtype::bf16, shape<4, Time, 2, 64>>;
  BOOST_HANA_DEFINE_STRUCT(heads<Time>, (queries, query), (keys, key), (keys, value));
};
struct attention {
  constexpr auto operator()(auto const&, auto const& in) const {
    return reshape<>(sum<>(square(cast<dtype::f32>(attend(in.query, in.key, in.value, with_mask(causal), with_dropout(0.1))))));
  }
};
template <long Time> struct source {
  static constexpr graph make() { return simplify(differentiate(simplify(trace<attention, nothing, heads<Time>>(), stop_gradients::keep), {.inputs = true})); }
};

}  // namespace

void one_step(step_memory const& memory) {
  step<compiled<source<200>>, cuda_device>::run(memory);
  step<compiled<source<198>>, cuda_device>::run(memory);
}
