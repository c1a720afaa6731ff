// Matrix products as programs: operands in every order of their axes, in any element type.
#pragma once

#include "formwork/ops/tanh.hpp"
#include "formwork/trace/contract.hpp"
#include "formwork/trace/reductions.hpp"
#include "support/programs.hpp"

namespace formwork::testing {

template <dtype T, class A, class B> struct two_inputs {
  using a_t = input<T, A>;
  using b_t = input<T, B>;
  BOOST_HANA_DEFINE_STRUCT(two_inputs, (a_t, a), (b_t, b));
};

template <bool Turn> constexpr auto turned(auto x) {
  if constexpr (Turn) return matrix_transpose(x);
  else return x;
}
// Results are f32, or wider where the operands are.
constexpr auto widened(auto x) {
  if constexpr (decltype(x)::type == dtype::f64) return x;
  else return cast<dtype::f32>(x);
}

template <bool Left, bool Right> struct product {
  constexpr auto operator()(auto const&, auto const& in) const { return widened(matmul(turned<Left>(in.a), turned<Right>(in.b))); }
};
// Left: A is stored transposed, [K, M]; Right: B is, [N, K].
template <dtype T, long M, long N, long K, bool Left = false, bool Right = false>
using product_of = values_of<product<Left, Right>, nothing, two_inputs<T, std::conditional_t<Left, shape<K, M>, shape<M, K>>, std::conditional_t<Right, shape<N, K>, shape<K, N>>>>;

// All four ways to store two operands.
template <dtype T, long M, long N, long K> struct stored_both_ways {
  using a_t = input<T, shape<M, K>>;
  using b_t = input<T, shape<K, N>>;
  using c_t = input<T, shape<K, M>>;
  using d_t = input<T, shape<N, K>>;
  BOOST_HANA_DEFINE_STRUCT(stored_both_ways, (a_t, a), (b_t, b), (c_t, c), (d_t, d));
};
template <class T> struct four_results {
  BOOST_HANA_DEFINE_STRUCT(four_results, (T, plain), (T, left), (T, right), (T, both));
};
struct products {
  constexpr auto operator()(auto const&, auto const& in) const {
    auto plain = widened(matmul(in.a, in.b));
    return four_results<decltype(plain)>{plain, widened(matmul(matrix_transpose(in.c), in.b)), widened(matmul(in.a, matrix_transpose(in.d))),
                                         widened(matmul(matrix_transpose(in.c), matrix_transpose(in.d)))};
  }
};
template <dtype T, long M, long N, long K> using four_products = values_of<products, nothing, stored_both_ways<T, M, N, K>>;

// [3, M, K] [3, K, N], and [M, K] [3, K, N]
struct batched {
  constexpr auto operator()(auto const&, auto const& in) const {
    return widened(matmul(in.a, in.b)) + widened(matmul(reshape<20, 40>(in.c), in.b));
  }
};
template <dtype T> struct batched_inputs {
  using a_t = input<T, shape<3, 20, 40>>;
  using b_t = input<T, shape<3, 40, 24>>;
  using c_t = input<T, shape<800>>;
  BOOST_HANA_DEFINE_STRUCT(batched_inputs, (a_t, a), (b_t, b), (c_t, c));
};
template <dtype T> using batched_of = values_of<batched, nothing, batched_inputs<T>>;

// Operands that repeat one row, one column, a column with others beside it, or one element, on either side.
template <dtype T, long M, long N, long K> struct repeated_operands {
  using x_t = input<T, shape<M, K>>;
  using w_t = input<T, shape<K, N>>;
  using row_t = input<T, shape<N>>;
  using wide_t = input<T, shape<K, 3>>;
  BOOST_HANA_DEFINE_STRUCT(repeated_operands, (x_t, x), (w_t, w), (row_t, row), (wide_t, wide));
};
template <class T> struct eight_results {
  BOOST_HANA_DEFINE_STRUCT(eight_results, (T, b_row), (T, b_column), (T, b_strided_column), (T, b_element), (T, a_row), (T, a_column), (T, a_strided_row), (T, a_element));
};
template <long M, long N, long K> struct repeated {
  constexpr auto operator()(auto const&, auto const& in) const {
    const auto b = [&](auto x) { return widened(matmul(in.x, broadcast_to<K, N>(x))); };
    const auto a = [&](auto x) { return widened(matmul(broadcast_to<M, K>(x), in.w)); };
    auto first = b(in.row);
    return eight_results<decltype(first)>{first, b(slice<1, 0, 1>(in.wide)), b(slice<1, 1, 1>(in.wide)), b(slice<0, 0, 1>(in.row)),
                                          a(slice<0, 0, 1>(in.x)), a(slice<1, 0, 1>(in.x)), a(matrix_transpose(slice<1, 1, 1>(in.wide))), a(slice<0, 0, 1>(in.row))};
  }
};
template <dtype T, long M, long N, long K> using repeated_of = values_of<repeated<M, N, K>, nothing, repeated_operands<T, M, N, K>>;

// The weights' gradient of a mean over rows: one row for all.
template <long M, long N, long K> struct pooled {
  constexpr auto operator()(auto const&, auto const& in) const { return reshape<>(sum<>(tanh(mean<0>(matmul(in.a, in.b))))); }
};
template <long M, long N, long K> using pooled_of = all_gradients_of<pooled<M, N, K>, nothing, two_inputs<dtype::f32, shape<M, K>, shape<K, N>>>;

}  // namespace formwork::testing
