// Attention with heads of 224 and 256, and with a table that learns, forward and backward, as nvcc sees it.
#include "formwork/backend/cuda/cuda.hpp"
#include "formwork/nn/attention.hpp"
#include "formwork/run/step.hpp"
#include "support/programs.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

template <dtype Type> struct causal_heads {
  constexpr auto operator()(auto const& m, auto const& in) const {
    return sum<>(cast<dtype::f32>(attend(cast<Type>(m.a), cast<Type>(m.b), cast<Type>(m.c), with_mask(causal))) * in.x);
  }
};
template <dtype Type> struct heads_with_distances {
  constexpr auto operator()(auto const& m, auto const& in) const {
    const auto score = [&](auto s, auto at) { return s + cast<Type>(m.d(at.head, at.query - at.key)); };
    return sum<>(cast<dtype::f32>(attend(cast<Type>(m.a), cast<Type>(m.b), cast<Type>(m.c), with_mask(causal), with_score(score))) * in.x);
  }
};
template <dtype Type, long Width> using plain = gradients_of<causal_heads<Type>, heads_of<2, 1000, 4, 1000, 2, Width>, numbers<shape<2, 1000, 4, Width>>>;
template <dtype Type, long Width> using learned = gradients_of<heads_with_distances<Type>, heads_and_table<2, 1000, 4, 1000, 2, Width, shape<4, 1000>>, numbers<shape<2, 1000, 4, Width>>>;

template <class Device, class... Source> void all(step_memory const& memory) { (step<compiled<Source>, Device>::run(memory), ...); }

}  // namespace

void heads(step_memory const& memory) {
  all<cuda_device, plain<dtype::bf16, 256>, plain<dtype::f32, 224>, plain<dtype::f32, 256>, learned<dtype::bf16, 64>, learned<dtype::bf16, 256>>(memory);
  all<cuda_exact_device, plain<dtype::f32, 240>, plain<dtype::f32, 256>>(memory);
}
