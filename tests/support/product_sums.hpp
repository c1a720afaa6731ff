// Products whose kernels sum their results, down the columns or along the rows, as programs.
#pragma once

#include "formwork/nn/linear.hpp"
#include "formwork/nn/normalization.hpp"
#include "formwork/ops/gelu_tanh.hpp"
#include "formwork/ops/rsqrt.hpp"
#include "formwork/ops/sin.hpp"
#include "formwork/ops/square.hpp"
#include "support/gated.hpp"
#include "support/products.hpp"

namespace formwork::testing {

template <class Y, class Sum> struct summed_results {
  BOOST_HANA_DEFINE_STRUCT(summed_results, (Y, y), (Sum, sum), (Sum, most));
};
template <class Y, class Sum, class Scale> struct summed_rows_results {
  BOOST_HANA_DEFINE_STRUCT(summed_rows_results, (Y, y), (Sum, sum), (Sum, most), (Scale, scale));
};
struct summed_product {
  constexpr auto operator()(auto const&, auto const& in) const {
    const auto y = gelu_tanh(matmul(in.a, in.b));
    const auto down = sum<0>(y), most = maximum<0>(y);
    return summed_results<std::remove_const_t<decltype(y)>, std::remove_const_t<decltype(down)>>{y, down, most};
  }
};
template <dtype T, long M, long N, long K> using summed_product_of = with_sums<values_of<summed_product, nothing, two_inputs<T, shape<M, K>, shape<K, N>>>>;

// Along the rows, and one value per row that follows from the sum of what nobody else needs. What would stand beyond the last
// column, where sums are 0, is neither 0 nor below the maximum.
template <bool Left, bool Right> struct summed_rows {
  constexpr auto operator()(auto const&, auto const& in) const {
    const auto y = 1 - square(gelu_tanh(matmul(turned<Left>(in.a), turned<Right>(in.b))));
    const auto along = sum<1>(y), most = maximum<1>(y);
    return results(y, along, most, rsqrt(mean<1>(square(y)) + 0.1));
  }
  template <class Y, class Sum> static constexpr auto results(Y y, Sum along, Sum most, auto scale) { return summed_rows_results<Y, Sum, decltype(scale)>{y, along, most, scale}; }
};
template <dtype T, long M, long N, long K, bool Left = false, bool Right = false>
using summed_rows_of = with_sums<values_of<summed_rows<Left, Right>, nothing, two_inputs<T, std::conditional_t<Left, shape<K, M>, shape<M, K>>, std::conditional_t<Right, shape<N, K>, shape<K, N>>>>>;

// Both ways.
struct summed_twice {
  constexpr auto operator()(auto const&, auto const& in) const {
    const auto y = matmul(in.a, in.b);
    return both(sum<0>(y), sum<1>(y), maximum<1>(y));
  }
  template <class Down, class Along> static constexpr auto both(Down down, Along along, Along most) { return summed_rows_results<Down, Along, Along>{down, along, most, along * 2}; }
};
template <dtype T, long M, long N, long K> using summed_twice_of = with_sums<values_of<summed_twice, nothing, two_inputs<T, shape<M, K>, shape<K, N>>>>;

// [3, 20, 40] [3, 40, N]: down the rows of all batches.
template <dtype T, long N> struct summed_batches_inputs {
  using a_t = input<T, shape<3, 20, 40>>;
  using b_t = input<T, shape<3, 40, N>>;
  BOOST_HANA_DEFINE_STRUCT(summed_batches_inputs, (a_t, a), (b_t, b));
};
struct summed_batches {
  constexpr auto operator()(auto const&, auto const& in) const { return sum<0, 1>(widened(matmul(in.a, in.b))); }
};
struct summed_rows_of_batches {
  constexpr auto operator()(auto const&, auto const& in) const { return sum<-1>(widened(matmul(in.a, in.b))); }
};
template <dtype T, long N> using summed_rows_of_batches_of = with_sums<values_of<summed_rows_of_batches, nothing, summed_batches_inputs<T, N>>>;
template <dtype T, long N> using summed_batches_of = with_sums<values_of<summed_batches, nothing, summed_batches_inputs<T, N>>>;

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
template <long M, long In, long Hidden> using hidden_training_of = with_sums<hidden_training<M, In, Hidden>>;

// A residual stream of two products, the second of which reads the RMS norm of what the first leaves.
template <long C, long Hidden> struct residual_layers {
  using in_t = parameter<shape<C, C>>;
  using norm_t = rms_norm<C>;
  using out_t = parameter<shape<C, Hidden>>;
  BOOST_HANA_DEFINE_STRUCT(residual_layers, (in_t, in), (norm_t, norm), (out_t, out));
};
template <class X, class Y> struct residual_results { BOOST_HANA_DEFINE_STRUCT(residual_results, (X, x), (Y, y)); };
struct residual {
  constexpr auto operator()(auto const& m, auto const& in) const {
    const auto x = in.x + matmul(in.x, m.in);
    return results(x, matmul(m.norm(x), m.out));
  }
  template <class X, class Y> static constexpr auto results(X x, Y y) { return residual_results<X, Y>{x, y}; }
};
struct residual_loss {
  constexpr auto operator()(auto const& m, auto const& in) const {
    const auto r = residual{}(m, in);
    return mean<>(r.y * sin(r.y));
  }
};
template <long M, long C, long Hidden> using residual_of = values_of<residual, residual_layers<C, Hidden>, numbers<shape<M, C>>>;
template <long M, long C, long Hidden> using residual_training_of = gradients_of<residual_loss, residual_layers<C, Hidden>, numbers<shape<M, C>>>;

}  // namespace formwork::testing
