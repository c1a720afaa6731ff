// Programs with 16-bit and 64-bit storage on the CPU against the f64 interpreter: products, attention, rows, tables.
#include "formwork/nn/normalization.hpp"
#include "formwork/ops/sin.hpp"
#include "formwork/trace/attend.hpp"
#include "support/catch.hpp"
#include "support/products.hpp"
#include "support/step_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

constexpr double bits_of(dtype t) { return t == dtype::bf16 ? 0x1p-9 : 0x1p-12; }  // half a unit in the last place

// Neither operand has an axis of stride 1: [K, M, 2] and [K, N, 2] turned around.
struct turned_around {
  constexpr auto operator()(auto const&, auto const& in) const { return widened(matmul(transpose<2, 1, 0>(in.a), transpose<2, 0, 1>(in.b))); }
};
template <dtype T> using turned_products = values_of<turned_around, nothing, two_inputs<T, shape<45, 19, 2>, shape<45, 37, 2>>>;

// An f32 product that an f64 sum is made of.
struct wide_sum {
  constexpr auto operator()(auto const&, auto const& in) const { return cast<dtype::f64>(matmul(in.a, in.b)) * 3.0; }
};

template <dtype T> struct causally {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto stored = [](auto x) { return cast<T>(x); };
    return sum<>(widened(attend(stored(m.a), stored(m.b), stored(m.c), with_mask(causal))) * cast<T == dtype::f64 ? dtype::f64 : dtype::f32>(in.x));
  }
};
template <dtype T, long B, long Tq, long H, long Tk, long G, long D>
using attention = gradients_of<causally<T>, three<shape<B, Tq, H, D>, shape<B, Tk, G, D>, shape<B, Tk, G, D>>, numbers<shape<B, Tq, H, D>>>;
template <dtype T, long B, long Tq, long H, long Tk, long G, long D> struct head_inputs {
  using q_t = input<T, shape<B, Tq, H, D>>;
  using k_t = input<T, shape<B, Tk, G, D>>;
  BOOST_HANA_DEFINE_STRUCT(head_inputs, (q_t, q), (k_t, k), (k_t, v));
};
struct everywhere {
  constexpr auto operator()(auto const&, auto const& in) const { return attend(in.q, in.k, in.v); }
};

// A learned bias of the distance, in a score.
struct relative {
  constexpr auto operator()(auto const& m, auto const& in) const {
    return sum<>(attend(m.a, m.b, m.c, with_mask(causal), with_score([&](auto s, auto at) { return s + m.d(at.head, at.query - at.key); })) * in.x);
  }
};
using relative_loss = gradients_of<relative, four<shape<2, 37, 4, 8>, shape<2, 37, 2, 8>, shape<2, 37, 2, 8>, shape<4, 30>>, numbers<shape<2, 37, 4, 8>>>;

struct normed {
  constexpr auto operator()(auto const& m, auto const& in) const { return mean<>(sin(standardize<-1>(in.x * m.c) * m.a + m.b)); }
};
template <long Rows, long Columns> using norm_of = gradients_of<normed, three<shape<Columns>, shape<Columns>, shape<Columns>>, numbers<shape<Rows, Columns>>>;

// Many rows of 16 bits into few: 16-bit sums would stop growing.
template <dtype T> struct looked_up {
  constexpr auto operator()(auto const& m, auto const& in) const { return sum<>(cast<dtype::f32>(gather(cast<T>(m.a), in.i))); }
};
template <dtype T> using table_loss = gradients_of<looked_up<T>, one<shape<3, 21>>, indices<shape<6000>>>;

}  // namespace

TEST_CASE("precision: products of 16-bit operands are summed in f32") {
  check_step<four_products<dtype::bf16, 40, 72, 48>>(f32_tolerance(48));
  check_step<four_products<dtype::f16, 33, 50, 35>>(f32_tolerance(35));
  check_step<product_of<dtype::bf16, 30, 100, 900, true, true>>(f32_tolerance(900));
  check_step<batched_of<dtype::f16>>(f32_tolerance(40));
  check_step<turned_products<dtype::bf16>>(f32_tolerance(45));
  check_step<turned_products<dtype::f16>>(f32_tolerance(45));
}

TEST_CASE("precision: products in f64, of f64 and of f32") {
  check_step<four_products<dtype::f64, 33, 50, 35>>(3 * std::sqrt(35.0) * 0x1p-53);
  check_step<values_of<wide_sum, nothing, two_inputs<dtype::f32, shape<33, 35>, shape<35, 50>>>>(f32_tolerance(35));
}

TEST_CASE("precision: attention of 16-bit heads, forward and backward") {
  check_step<attention<dtype::bf16, 2, 70, 2, 70, 1, 10>>(4 * bits_of(dtype::bf16));
  check_step<attention<dtype::f16, 2, 70, 4, 90, 2, 16>>(4 * bits_of(dtype::f16));
  check_step<lowered<relative_loss, dtype::bf16>>(8 * bits_of(dtype::bf16));
}

TEST_CASE("precision: one query over 16-bit keys") {
  check_step<values_of<everywhere, nothing, head_inputs<dtype::bf16, 3, 1, 4, 50, 2, 24>>>(bits_of(dtype::bf16));
  check_step<values_of<everywhere, nothing, head_inputs<dtype::f16, 3, 1, 4, 50, 2, 24>>>(bits_of(dtype::f16));
}

// Some 500 roundings, those of a layer norm's size.
TEST_CASE("precision: attention in f64") {
  check_step<values_of<everywhere, nothing, head_inputs<dtype::f64, 2, 70, 4, 90, 2, 10>>>(3 * std::sqrt(500.0) * 0x1p-53);
  check_step<values_of<everywhere, nothing, head_inputs<dtype::f64, 2, 1, 4, 90, 2, 10>>>(3 * std::sqrt(500.0) * 0x1p-53);
  check_step<attention<dtype::f64, 2, 70, 2, 70, 1, 10>>(f32_tolerance(4));  // its gradients are rounded to f32
}

// Values are stored with 8 (bf16) or 11 (f16) bits; a gradient is behind a few of them.
TEST_CASE("precision: layer norm and its gradients") {
  check_step<lowered<norm_of<37, 64>, dtype::bf16>>(8 * bits_of(dtype::bf16));
  check_step<lowered<norm_of<9, 33>, dtype::f16>>(8 * bits_of(dtype::f16));
}

TEST_CASE("precision: rows of 16 bits are added into a table in f32") {
  // The loss is a sum of 63 rounded numbers of both signs, each some 2000 times.
  check_step<table_loss<dtype::bf16>>(4 * bits_of(dtype::bf16), {.integer_limit = 3});
  check_step<table_loss<dtype::f16>>(4 * bits_of(dtype::f16), {.integer_limit = 3});
}
