// SwiGLU as a program: silu(x a + c) (x b), with weights stored either way, and its gradients.
#pragma once

#include "formwork/ops/silu.hpp"
#include "formwork/ops/sin.hpp"
#include "formwork/trace/contract.hpp"
#include "support/programs.hpp"

namespace formwork::testing {

template <bool Turned> struct gated {
  static constexpr auto weight(auto const& w) {
    if constexpr (Turned) return matrix_transpose(w);
    else return w;
  }
  constexpr auto operator()(auto const& m, auto const& in) const { return silu(matmul(in.x, weight(m.a)) + m.c) * matmul(in.x, weight(m.b)); }
};
template <bool Turned> struct gated_loss {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto y = gated<Turned>{}(m, in);
    return mean<>(y * sin(y));
  }
};

template <long K, long N, bool Turned> using gated_weights = three<std::conditional_t<Turned, shape<N, K>, shape<K, N>>, std::conditional_t<Turned, shape<N, K>, shape<K, N>>, shape<N>>;
// M rows of K elements, N columns of each product.
template <long M, long N, long K, bool Turned = false> using gated_of = values_of<gated<Turned>, gated_weights<K, N, Turned>, numbers<shape<M, K>>>;
template <long M, long N, long K, bool Turned = false> using gated_training_of = gradients_of<gated_loss<Turned>, gated_weights<K, N, Turned>, numbers<shape<M, K>>>;

}  // namespace formwork::testing
