// Products of values whose rows are of odd widths, which lie apart in the workspace, as programs.
#pragma once

#include "formwork/ops/silu.hpp"
#include "formwork/ops/square.hpp"
#include "support/products.hpp"

namespace formwork::testing {

// Rows of W elements between two products: made by one, shifted by their mean, then read along their rows and down their
// columns. B batches, or (0) none.
template <dtype T, long B, long M, long W> struct odd_rows_inputs {
  template <long R, long C> using matrix = std::conditional_t<B == 0, shape<R, C>, shape<B == 0 ? 1 : B, R, C>>;
  using a_t = input<T, matrix<M, 24>>;
  using b_t = input<T, matrix<24, W>>;
  using c_t = input<T, matrix<W, 40>>;
  using d_t = input<T, matrix<M, 16>>;
  BOOST_HANA_DEFINE_STRUCT(odd_rows_inputs, (a_t, a), (b_t, b), (c_t, c), (d_t, d));
};
template <class Along, class Down> struct odd_rows_results { BOOST_HANA_DEFINE_STRUCT(odd_rows_results, (Along, along), (Down, down)); };
struct odd_rows {
  constexpr auto operator()(auto const&, auto const& in) const {
    const auto made = matmul(in.a, in.b);
    const auto shifted = made - mean<-1>(made);
    return results(widened(matmul(shifted, in.c)), widened(matmul(matrix_transpose(shifted), in.d)));
  }
  template <class Along, class Down> static constexpr auto results(Along along, Down down) { return odd_rows_results<Along, Down>{along, down}; }
};
template <dtype T, long M, long W, long B = 0> using odd_rows_of = values_of<odd_rows, nothing, odd_rows_inputs<T, B, M, W>>;

// SwiGLU whose weights are computed, W to a row: two products share a tile, lines of either along the rows or across.
template <dtype T, long K, long W, bool Turned> struct odd_weights_inputs {
  using x_t = input<T, shape<21, Turned ? W : K>>;
  using w_t = input<T, shape<K, W>>;
  BOOST_HANA_DEFINE_STRUCT(odd_weights_inputs, (x_t, x), (w_t, a), (w_t, b));
};
template <bool Turned> struct odd_weights {
  static constexpr auto unit(auto w) { return turned<Turned>(w * (1 / (1 + sum<-1>(square(w))))); }
  constexpr auto operator()(auto const&, auto const& in) const { return widened(silu(matmul(in.x, unit(in.a))) * matmul(in.x, unit(in.b))); }
};
template <dtype T, long K, long W, bool Turned> using odd_weights_of = values_of<odd_weights<Turned>, nothing, odd_weights_inputs<T, K, W, Turned>>;

}  // namespace formwork::testing
