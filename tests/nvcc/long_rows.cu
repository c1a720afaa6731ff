// Rows too long for registers, as nvcc sees them. Few of them, split over blocks: a full reduction, a softmax of three rows in
// bf16, and a norm with its gradients, whose tape is long. Many of them, of 50257 logits: a softmax's gradients and a
// distillation's, and a norm in f64.
#include "formwork/backend/cuda/cuda.hpp"
#include "formwork/nn/normalization.hpp"
#include "formwork/ops/exp.hpp"
#include "formwork/ops/square.hpp"
#include "formwork/passes/differentiate.hpp"
#include "formwork/passes/simplify.hpp"
#include "formwork/run/step.hpp"
#include "formwork/trace/reductions.hpp"
#include "formwork/trace/trace.hpp"

using namespace formwork;

namespace {

struct nothing {};
template <dtype Type, class Shape> struct rows_of {
  using x_t = input<Type, Shape>;
  BOOST_HANA_DEFINE_STRUCT(rows_of, (x_t, x));
};
template <class Shape> struct gain_and_bias {
  using row = parameter<Shape>;
  BOOST_HANA_DEFINE_STRUCT(gain_and_bias, (row, gain), (row, bias));
};
struct sum_of_squares {
  constexpr auto operator()(auto const&, auto const& in) const { return sum<>(square(in.x)); }
};
struct soft {
  constexpr auto operator()(auto const&, auto const& in) const { return cast<dtype::bf16>(softmax<-1>(cast<dtype::f32>(in.x))); }
};
struct normed {
  constexpr auto operator()(auto const& m, auto const& in) const { return sum<>(square(standardize<-1>(in.x) * m.gain + m.bias)); }
};
template <dtype Type, class Shape> struct two_of {
  using x_t = input<Type, Shape>;
  BOOST_HANA_DEFINE_STRUCT(two_of, (x_t, x), (x_t, y));
};
struct distilled {  // Kullback-Leibler divergence at a temperature of 2
  constexpr auto operator()(auto const&, auto const& in) const {
    const auto x = cast<dtype::f32>(in.x) * 0.5, y = cast<dtype::f32>(in.y) * 0.5;
    const auto teacher = x - log_sum_exp<-1>(x);
    return mean<>(exp(teacher) * (teacher - (y - log_sum_exp<-1>(y))));
  }
};
struct soft_product {
  constexpr auto operator()(auto const&, auto const& in) const { return mean<>(square(softmax<-1>(in.x * in.y + in.y))); }
};
template <class F, class Inputs> struct input_gradients {
  static constexpr graph make() { return simplify(differentiate(simplify(trace<F, nothing, Inputs>(), stop_gradients::keep), {.inputs = true})); }
};
template <class F, dtype Type, class Shape> struct values {
  static constexpr graph make() { return simplify(trace<F, nothing, rows_of<Type, Shape>>()); }
};
template <long Columns> struct gradients {
  using module = gain_and_bias<shape<1, Columns>>;
  static constexpr graph make() { return simplify(differentiate(simplify(trace<normed, module, rows_of<dtype::f32, shape<3, Columns>>>(), stop_gradients::keep), {.inputs = true})); }
};

}  // namespace

void one_sum(step_memory const& memory) { step<compiled<values<sum_of_squares, dtype::f32, shape<124439808>>>, cuda_device>::run(memory); }
void one_softmax(step_memory const& memory) { step<compiled<values<soft, dtype::bf16, shape<3, 1000003>>>, cuda_device>::run(memory); }
void one_norm(step_memory const& memory) { step<compiled<gradients<1 << 20>>, cuda_device>::run(memory); }
void many_softmaxes(step_memory const& memory) { step<compiled<values<soft, dtype::bf16, shape<4096, 50257>>>, cuda_device>::run(memory); }
template <class F, dtype Type> void many(step_memory const& memory) { step<compiled<input_gradients<F, two_of<Type, shape<4096, 50257>>>>, cuda_device>::run(memory); }
void many_gradients(step_memory const& memory) {
  many<distilled, dtype::f32>(memory);
  many<distilled, dtype::bf16>(memory);
  many<soft_product, dtype::f32>(memory);
  many<soft_product, dtype::f64>(memory);
}
