// Products whose kernels sum their results down the columns, as programs.
#pragma once

#include "formwork/nn/linear.hpp"
#include "formwork/ops/gelu_tanh.hpp"
#include "formwork/ops/sin.hpp"
#include "support/gated.hpp"
#include "support/products.hpp"

namespace formwork::testing {

template <class Y, class Sum> struct summed_results {
  BOOST_HANA_DEFINE_STRUCT(summed_results, (Y, y), (Sum, sum), (Sum, most));
};
struct summed_product {
  constexpr auto operator()(auto const&, auto const& in) const {
    const auto y = gelu_tanh(matmul(in.a, in.b));
    const auto down = sum<0>(y), most = maximum<0>(y);
    return summed_results<std::remove_const_t<decltype(y)>, std::remove_const_t<decltype(down)>>{y, down, most};
  }
};
template <dtype T, long M, long N, long K> using summed_product_of = with_column_sums<values_of<summed_product, nothing, two_inputs<T, shape<M, K>, shape<K, N>>>>;

// [3, 20, 40] [3, 40, N]: down the rows of all batches.
template <dtype T, long N> struct summed_batches_inputs {
  using a_t = input<T, shape<3, 20, 40>>;
  using b_t = input<T, shape<3, 40, N>>;
  BOOST_HANA_DEFINE_STRUCT(summed_batches_inputs, (a_t, a), (b_t, b));
};
struct summed_batches {
  constexpr auto operator()(auto const&, auto const& in) const { return sum<0, 1>(widened(matmul(in.a, in.b))); }
};
template <dtype T, long N> using summed_batches_of = with_column_sums<values_of<summed_batches, nothing, summed_batches_inputs<T, N>>>;

// A hidden layer with biases: the gradient of the first bias is the column sum of what a product's epilogue computes.
template <long In, long Hidden> struct hidden_layer {
  using up_t = parameter<shape<In, Hidden>>;
  using bias_t = parameter<shape<Hidden>>;
  using down_t = parameter<shape<Hidden, In>>;
  BOOST_HANA_DEFINE_STRUCT(hidden_layer, (up_t, up), (bias_t, bias), (down_t, down));
};
struct hidden_loss {
  constexpr auto operator()(auto const& m, auto const& in) const {
    const auto y = matmul(gelu_tanh(matmul(in.x, m.up) + m.bias), m.down);
    return mean<>(y * sin(y));
  }
};
template <long M, long In, long Hidden> using hidden_training = gradients_of<hidden_loss, hidden_layer<In, Hidden>, numbers<shape<M, In>>>;
template <long M, long In, long Hidden> using hidden_training_of = with_column_sums<hidden_training<M, In, Hidden>>;

}  // namespace formwork::testing
