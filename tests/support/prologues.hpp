// Products that compute what they read, as programs.
#pragma once

#include "formwork/ops/exp.hpp"
#include "formwork/ops/less.hpp"
#include "formwork/ops/select.hpp"
#include "formwork/ops/sin.hpp"
#include "formwork/nn/normalization.hpp"
#include "support/gated.hpp"
#include "support/products.hpp"

namespace formwork::testing {

// Either operand or both, in every order of their axes. None of the functions is 0 at 0, so that what is outside of a
// matrix counts where it is not made 0 afterwards.
struct computed_products {
  constexpr auto operator()(auto const&, auto const& in) const {
    auto plain = widened(matmul(exp(in.a), in.b));
    return four_results<decltype(plain)>{plain, widened(matmul(matrix_transpose(exp(in.c)), in.b * 0.5 + 1.0)), widened(matmul(in.a, matrix_transpose(exp(in.d)))),
                                         widened(matmul(matrix_transpose(in.c * 0.5 + 1.0), matrix_transpose(exp(in.d * 0.5))))};
  }
};
template <dtype T, long M, long N, long K> using computed_products_of = with_prologues<values_of<computed_products, nothing, stored_both_ways<T, M, N, K>>>;

// Both operands.
struct computed_both {
  constexpr auto operator()(auto const&, auto const& in) const { return widened(matmul(exp(in.a), matrix_transpose(in.b * 0.5 + 1.0))); }
};
template <dtype T, long M, long N, long K> using computed_both_of = with_prologues<values_of<computed_both, nothing, two_inputs<T, shape<M, K>, shape<N, K>>>>;
struct computed_left {
  constexpr auto operator()(auto const&, auto const& in) const { return widened(matmul(exp(in.a), in.b)); }
};
template <dtype T, long M, long N, long K> using computed_left_of = with_prologues<values_of<computed_left, nothing, two_inputs<T, shape<M, K>, shape<K, N>>>>;

// In batches, and one operand that all of them share.
struct computed_batches {
  constexpr auto operator()(auto const&, auto const& in) const {
    return widened(matmul(exp(in.a), in.b * 0.5 + 1.0)) + widened(matmul(reshape<20, 40>(exp(in.c)), in.b * 2.0 + 1.0));
  }
};
template <dtype T> using computed_batches_of = with_prologues<values_of<computed_batches, nothing, batched_inputs<T>>>;

// What repeats along rows and down columns, random numbers and the coordinates of a mask.
struct masked_product {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto x = in.x * m.a + m.b;
    auto kept = select(random_like(x) < 0.7, x, 0.0 * x);
    return matmul(kept, m.c);
  }
};
template <long M, long N, long K> using masked_product_of = values_of<masked_product, three<shape<M, 1>, shape<K>, shape<K, N>>, numbers<shape<M, K>>>;

// An RMS norm before a product.
struct normed_product {
  constexpr auto operator()(auto const& m, auto const& in) const { return matmul(divide_by_rms(in.x) * m.a, m.b); }
};
struct normed_loss {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto y = normed_product{}(m, in);
    return mean<>(y * sin(y));
  }
};
template <long M, long N, long K> using normed_product_of = values_of<normed_product, two<shape<K>, shape<K, N>>, numbers<shape<M, K>>>;
template <long M, long N, long K> using normed_training_of = gradients_of<normed_loss, two<shape<K>, shape<K, N>>, numbers<shape<M, K>>>;

// The same before SwiGLU: two products that share what they compute.
struct normed_gated {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto x = divide_by_rms(in.x) * m.c;
    return silu(matmul(x, m.a)) * matmul(x, m.b);
  }
};
template <long M, long N, long K> using normed_gated_of = values_of<normed_gated, three<shape<K, N>, shape<K, N>, shape<K>>, numbers<shape<M, K>>>;

}  // namespace formwork::testing
