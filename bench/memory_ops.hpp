// The operations that memory limits, as functions of their inputs, stored in any type and computed in f32; each inputs' twin
// has the gradient of the result beside it (op_sources.hpp).
#pragma once

#include "formwork/nn/loss.hpp"
#include "formwork/nn/normalization.hpp"
#include "formwork/ops/gelu_tanh.hpp"
#include "formwork/ops/square.hpp"
#include "formwork/trace/trace.hpp"

namespace formwork::bench {

template <dtype T, class Shape> struct rows {
  using tensor_type = input<T, Shape>;
  BOOST_HANA_DEFINE_STRUCT(rows, (tensor_type, x));
};
template <dtype T, class Shape> struct rows_and_gradient {
  using tensor_type = input<T, Shape>;
  BOOST_HANA_DEFINE_STRUCT(rows_and_gradient, (tensor_type, x), (tensor_type, dy));
};
template <dtype T, long Rows, long Columns> struct norm_inputs {
  using tensor_type = input<T, shape<Rows, Columns>>;
  using row_type = input<dtype::f32, shape<Columns>>;
  BOOST_HANA_DEFINE_STRUCT(norm_inputs, (tensor_type, x), (row_type, gain), (row_type, bias));
};
template <dtype T, long Rows, long Columns> struct norm_inputs_and_gradient {
  using tensor_type = input<T, shape<Rows, Columns>>;
  using row_type = input<dtype::f32, shape<Columns>>;
  BOOST_HANA_DEFINE_STRUCT(norm_inputs_and_gradient, (tensor_type, x), (row_type, gain), (row_type, bias), (tensor_type, dy));
};
template <dtype T, long Rows, long Classes> struct loss_inputs {
  using tensor_type = input<T, shape<Rows, Classes>>;
  using target_type = input<dtype::i32, shape<Rows>>;
  BOOST_HANA_DEFINE_STRUCT(loss_inputs, (tensor_type, logits), (target_type, targets));
};

constexpr auto wide(auto x) { return cast<dtype::f32>(x); }
template <class X> constexpr auto stored_as(X, auto y) { return cast<X::type>(y); }
struct layer_norm_of { constexpr auto operator()(auto const& in) const { return stored_as(in.x, standardize(wide(in.x)) * in.gain + in.bias); } };
struct softmax_of { constexpr auto operator()(auto const& in) const { return stored_as(in.x, softmax(wide(in.x))); } };
struct gelu_of { constexpr auto operator()(auto const& in) const { return stored_as(in.x, gelu_tanh(wide(in.x))); } };
struct square_sum_of { constexpr auto operator()(auto const& in) const { return sum<>(square(wide(in.x))); } };
struct cross_entropy_of { constexpr auto operator()(auto const& in) const { return cross_entropy(wide(in.logits), in.targets); } };

}  // namespace formwork::bench
