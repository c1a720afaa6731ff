// Attention over sequences of run-time lengths, and its gradients, as nvcc sees it: masks that are looked up decide which
// blocks are passed over. Heads are as wide as they may be.
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
struct heads {
  using queries = input<dtype::bf16, shape<4, 200, 4, 256>>;
  using keys = input<dtype::bf16, shape<4, 200, 2, 256>>;
  using counts = input<dtype::i32, shape<4>>;
  BOOST_HANA_DEFINE_STRUCT(heads, (queries, query), (keys, key), (keys, value), (counts, lengths));
};
struct attention {
  constexpr auto operator()(auto const&, auto const& in) const {
    return reshape<>(sum<>(square(cast<dtype::f32>(attend(in.query, in.key, in.value, with_mask(causal && within(in.lengths)))))));
  }
};
struct source {
  static constexpr graph make() { return simplify(differentiate(simplify(trace<attention, nothing, heads>(), stop_gradients::keep), {.inputs = true})); }
};

}  // namespace

void one_step(step_memory const& memory) { step<compiled<source>, cuda_device>::run(memory); }
