// The cost of a program against counts by hand, and of a GPT against the published formula.
#include "support/catch.hpp"
#include "support/passes.hpp"

#include <string>

#include "formwork/nn/gpt.hpp"
#include "formwork/nn/language_model.hpp"
#include "formwork/ops/gelu_tanh.hpp"
#include "formwork/ops/square.hpp"
#include "formwork/passes/budget.hpp"
#include "formwork/passes/describe_cost.hpp"
#include "formwork/passes/differentiate.hpp"
#include "formwork/passes/lower_precision.hpp"
#include "formwork/passes/simplify.hpp"
#include "formwork/trace/attend.hpp"
#include "formwork/trace/loop.hpp"
#include "formwork/trace/trace.hpp"
#include "support/product_sums.hpp"

namespace {

using namespace formwork;
using testing::differentiated, testing::simplified;

constexpr program_cost cost_of(graph const& g, fuse_options options = {}) {
  fusion f = fuse(canonicalize(rematerialize(g)), options);
  return cost(f, plan_memory(f));
}

// y = gelu(x w + b): x (6, 8), w (8, 5)
struct layer {
  using w_t = parameter<shape<8, 5>>;
  using b_t = parameter<shape<5>, zeros>;
  BOOST_HANA_DEFINE_STRUCT(layer, (w_t, w), (b_t, b));
};
struct rows_of_8 {
  using x_t = input<dtype::f32, shape<6, 8>>;
  BOOST_HANA_DEFINE_STRUCT(rows_of_8, (x_t, x));
};
struct forward {
  constexpr auto operator()(auto const& m, auto const& in) const { return gelu_tanh(matmul(in.x, m.w) + m.b); }
};
constexpr program_cost one_layer = cost_of(simplified(trace<forward, layer, rows_of_8>()));
static_assert(one_layer.parameters == 45);
static_assert(one_layer.flops == 6 * 5 * (2 * 8 + 1 + ops::gelu_tanh::flops));
static_assert(one_layer.bytes_moved == 4 * (6 * 8 + 8 * 5 + 5 + 6 * 5));
static_assert(one_layer.kernels == 1 && one_layer.launches == 1);
static_assert(one_layer.workspace_bytes == 0);
static_assert(one_layer.peak_bytes == 4 * (6 * 8 + 6 * 5 + 2 * 4096));  // the arena: decaying and other parameters, padded

struct two_layers {
  using w_t = parameter<shape<8, 5>>;
  using u_t = parameter<shape<5, 8>>;
  BOOST_HANA_DEFINE_STRUCT(two_layers, (w_t, w), (u_t, u));
};
struct two { constexpr auto operator()(auto const& m, auto const& in) const { return mean<>(square(matmul(square(matmul(in.x, m.w)), m.u))); } };

struct square_layer {
  using w_t = parameter<shape<8, 8>>;
  BOOST_HANA_DEFINE_STRUCT(square_layer, (w_t, w));
  constexpr auto operator()(auto const& x) const { return matmul(x, w) + x; }
};
struct stack {
  using layers_t = repeat<5, square_layer>;
  BOOST_HANA_DEFINE_STRUCT(stack, (layers_t, layers));
};
struct through { constexpr auto operator()(auto const& m, auto const& in) const { return m.layers(in.x); } };

struct qkv {
  using x_t = input<dtype::f32, shape<2, 9, 3, 4>>;
  BOOST_HANA_DEFINE_STRUCT(qkv, (x_t, q), (x_t, k), (x_t, v));
};
struct nothing { BOOST_HANA_DEFINE_STRUCT(nothing); };
struct everywhere { constexpr auto operator()(auto const&, auto const& in) const { return attend(in.q, in.k, in.v); } };
struct causally { constexpr auto operator()(auto const&, auto const& in) const { return attend(in.q, in.k, in.v, with_mask(causal)); } };
struct windowed { constexpr auto operator()(auto const&, auto const& in) const { return attend(in.q, in.k, in.v, with_mask(causal && window<3>)); } };
struct dropped { constexpr auto operator()(auto const&, auto const& in) const { return attend(in.q, in.k, in.v, with_mask(causal), with_dropout(0.1)); } };
struct either { constexpr auto operator()(auto const&, auto const& in) const { return attend(in.q, in.k, in.v, with_mask(causal || prefix<2>)); } };

}  // namespace

TEST_CASE("cost: every iteration of a loop counts") {
  graph g = simplified(trace<through, stack, rows_of_8>());
  program_cost c = cost_of(g);
  fusion f = fuse(canonicalize(rematerialize(g)));
  long in_loop = 0;
  for (int k : f.order) in_loop += f.groups[static_cast<std::size_t>(k)].scope != 0;
  CHECK(in_loop == 1);
  CHECK(c.parameters == 5 * 64);
  CHECK(c.flops == 5 * 6 * 8 * (2 * 8 + 1));
  CHECK(flops_of(g) == c.flops);
  CHECK(c.launches == c.kernels - in_loop + 5 * in_loop);
  CHECK(iterations_of(g, 0) == 1);
}

TEST_CASE("cost: attention counts the pairs that its mask lets through") {
  // Operations of a pair: q k' and p v (4 D), exp, maximum subtracted, sum, and the scale.
  const long per_pair = 4 * 4 + ops::exp::flops + 2 + 1, heads = 2 * 3;
  CHECK(flops_of(trace<everywhere, nothing, qkv>()) == heads * 81 * per_pair);
  CHECK(flops_of(trace<causally, nothing, qkv>()) == heads * 45 * per_pair);
  CHECK(flops_of(trace<dropped, nothing, qkv>()) == heads * 45 * (per_pair + 2));  // a choice and a product
  CHECK(flops_of(trace<windowed, nothing, qkv>()) == heads * (1 + 2 + 7 * 3) * per_pair);
  CHECK(flops_of(trace<either, nothing, qkv>()) == heads * 81 * per_pair);  // an alternative counts as true
}

TEST_CASE("cost: the derivative of a product is two products") {
  long once = 2 * 6 * 8 * 5;
  graph g = simplified(differentiated(simplified(trace<two, two_layers, rows_of_8>(), stop_gradients::keep)));
  long products = 0;
  for (int i = 0; i < g.size(); ++i)
    if (g[i].what == kind::contract) products += flops_of(g, i);
  CHECK(products == 5 * once);  // two forward, one by each weight, one by the inner result: x is no parameter
}

TEST_CASE("cost: GPT-2 124M is 6 N operations a token and attention's share") {
  constexpr long batch = 2, length = 64, layers = 12, width = 768;
  using inputs = language_model_inputs<batch, length>;
  graph forward_only = simplified(trace<evaluation_loss_of, gpt2_124m, inputs>());
  graph training = simplified(differentiated(simplified(trace<evaluation_loss_of, gpt2_124m, inputs>(), stop_gradients::keep)));
  CHECK(parameters_of(training) == 124'439'808);
  // Kaplan et al. 2020 (arXiv:2001.08361), table 1: 2 N and 2 layers context width a token, forward, without position
  // embeddings; backward twice that. A causal mask lets through (length + 1) / 2 of the pairs.
  const double n = 124'439'808 - 1024 * width, tokens = batch * length;
  const double once = tokens * (2 * n + 4 * layers * width * (length + 1) / 2.0);
  CHECK(static_cast<double>(flops_of(forward_only)) == Approx(once).epsilon(0.03));
  CHECK(static_cast<double>(flops_of(forward_only)) > once);
  CHECK(static_cast<double>(flops_of(training)) == Approx(3 * once).epsilon(0.03));
  program_cost c = cost_of(training);
  CHECK(static_cast<double>(c.flops) == Approx(static_cast<double>(flops_of(training))).epsilon(0.01));
  CHECK(c.peak_bytes > 2 * 4 * 124'439'808L + c.workspace_bytes);
  CHECK(c.bytes_moved > 3 * 4 * 124'439'808L);  // every weight twice, every gradient once
  CHECK(describe(c).find("124439808") != std::string::npos);
}

TEST_CASE("cost: what prologues and sums save in GPT-2 124M, 4 x 1024 in bf16") {
  auto mebibytes = [](graph const& g, fuse_options o) { return static_cast<double>(cost_of(g, o).bytes_moved) / (1 << 20); };
  const graph loss = simplified(trace<loss_of, gpt2_124m, language_model_inputs<4, 1024>>(), stop_gradients::keep);
  const graph training = lower_precision(simplified(differentiated(loss)), dtype::bf16), evaluation = lower_precision(simplified(loss), dtype::bf16);
  CHECK(mebibytes(training, {}) == Approx(9841).epsilon(0).margin(0.5));
  CHECK(mebibytes(training, {.prologues = true}) == Approx(9549).epsilon(0).margin(0.5));
  CHECK(mebibytes(training, {.sums = true}) == Approx(9553).epsilon(0).margin(0.5));
  CHECK(mebibytes(evaluation, {}) == Approx(2925).epsilon(0).margin(0.5));
  CHECK(mebibytes(evaluation, {.prologues = true}) == Approx(2776).epsilon(0).margin(0.5));
}

TEST_CASE("cost: with sums, nobody reads the elements again for an RMS norm between two products") {
  const graph g = testing::residual_of<37, 24, 50>::make();
  const program_cost before = cost_of(g, {.prologues = true}), after = cost_of(g, {.prologues = true, .sums = true});
  CHECK(before.kernels == 3);
  CHECK(after.kernels == 2);
  CHECK(before.bytes_moved - after.bytes_moved == 4 * 37 * 24);
  CHECK(before.flops == after.flops);
  CHECK(before.workspace_bytes == after.workspace_bytes);
}
