// An operation, as a struct whose call takes its inputs, made a program: forward, or its gradients by the inputs. Inputs
// whose last member is `dy` are given the gradient of the result; without it the operation is a loss, which is kept.
#pragma once

#include "formwork/ops/multiply.hpp"
#include "formwork/passes/differentiate.hpp"
#include "formwork/passes/simplify.hpp"
#include "formwork/trace/trace.hpp"

namespace formwork::bench {

struct nothing {};

template <class F> struct forward_function { constexpr auto operator()(nothing const&, auto const& in) const { return F{}(in); } };
// Its gradients by the inputs are those of F, given dy.
template <class F> struct loss_function {
  constexpr auto operator()(nothing const&, auto const& in) const {
    if constexpr (requires { in.dy; }) return sum<>(cast<dtype::f32>(F{}(in)) * cast<dtype::f32>(in.dy));
    else return F{}(in);
  }
};

template <class F, class Inputs> struct forward_source {
  static constexpr graph make() { return simplify(trace<forward_function<F>, nothing, Inputs>()); }
};
template <class F, class Inputs> struct gradient_source {
  static constexpr graph make() {
    graph g = simplify(trace<loss_function<F>, nothing, Inputs>(), stop_gradients::keep);
    const bool keeps_loss = g.inputs.back().name.view() != "dy";
    g = simplify(differentiate(g, {.inputs = true}));
    std::vector<output_info> wanted;
    for (auto const& o : g.outputs) {
      const bool gradient = o.what == role::input_gradient;
      if (gradient ? g.inputs[static_cast<std::size_t>(o.number)].name.view() != "dy" : keeps_loss) wanted.push_back(o);
    }
    g.outputs = wanted;
    return g;
  }
};

}  // namespace formwork::bench
