// The loss over parts of the tokens: the plain head's numbers, without a tensor of all logits.
#include "formwork/nn/gpt.hpp"
#include "formwork/nn/language_model.hpp"
#include "formwork/nn/llama.hpp"
#include "formwork/passes/budget.hpp"
#include "support/program_test.hpp"
#include "support/programs.hpp"
#include "support/step_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

template <long AtOnce> struct tied : gpt_config {
  static constexpr int vocabulary = 2000, context = 12, layers = 1, heads = 2, width = 16;
  static constexpr long logits_at_once = AtOnce;
};
template <long AtOnce> struct untied : llama_config {
  static constexpr int vocabulary = 2000, context = 12, layers = 1, heads = 2, kv_heads = 1, width = 16, hidden = 24;
  static constexpr long logits_at_once = AtOnce;
};

struct gpt2_in_parts : gpt2_124m_config {
  static constexpr long logits_at_once = 1024;
};

template <class Model> using plain_of = gradients_of<loss_of, Model, language_model_inputs<4, 12>>;
template <class Model> using ragged_of = gradients_of<ragged_loss_of, Model, ragged_language_model_inputs<4, 12>>;
template <class Source> using in_bf16 = lowered<Source, dtype::bf16>;

constexpr program_cost cost_of(graph const& g) {
  fusion f = fuse(canonicalize(rematerialize(g)));
  return cost(f, plan_memory(f));
}

// 3 chained products of a block and a head, over at most 2000 terms each, and their gradients: roundings of f32 are
// independent, so that sqrt(2000) of them a product stand for all.
constexpr double tolerance = 6 * 45 * 0x1p-24;

template <class Source> void check(double bound, step_check_options o = {}) {
  o.integer_limit = 2000;
  CHECK(check_step<Source>(bound, o).size() > 8);
}

}  // namespace

TEST_CASE("linear cross-entropy: kernels against f64") {
  check<plain_of<gpt<tied<12>>>>(tolerance);
}

TEST_CASE("linear cross-entropy: the plain head's loss and gradients") {
  auto same = [](graph const& plain, graph const& parts, std::vector<double> const& lengths) {
    program_data data(plain, {.integers = 2000});
    if (!lengths.empty()) data.inputs[2] = lengths;
    check_same_outputs(plain, parts, data);
  };
  same(plain_of<gpt<tied<0>>>::make(), plain_of<gpt<tied<12>>>::make(), {});
  same(plain_of<gpt<tied<0>>>::make(), plain_of<gpt<tied<7>>>::make(), {});  // in 8 parts of 6: 7 do not divide 48
  same(plain_of<llama<untied<0>>>::make(), plain_of<llama<untied<12>>>::make(), {});
  same(ragged_of<gpt<tied<0>>>::make(), ragged_of<gpt<tied<12>>>::make(), {12, 1, 5, 9});
  same(ragged_of<gpt<tied<0>>>::make(), ragged_of<gpt<tied<12>>>::make(), {0, 12, 0, 1});
  same(ragged_of<gpt<tied<0>>>::make(), ragged_of<gpt<tied<12>>>::make(), {0, 0, 0, 0});
}

TEST_CASE("linear cross-entropy: lengths, in kernels") {
  step_check_options o;
  o.integers = {{}, {}, {12, 1, 5, 9}};
  check<ragged_of<gpt<tied<12>>>>(tolerance, o);
}

TEST_CASE("linear cross-entropy: the gradient of a 16-bit head is summed up in f32") {
  graph g = canonicalize(in_bf16<plain_of<llama<untied<12>>>>::make());
  int sums = 0;
  for (auto const& o : g.outputs)
    if (g[behind_reshapes(g, o.node)].what == kind::final) {
      ++sums;
      node const& next = g[g[g[behind_reshapes(g, o.node)].in[0]].in[1]];
      CHECK(next.type == dtype::f32);
      for (int k = 0; k < 2; ++k) CHECK(g[next.in[static_cast<std::size_t>(k)]].type == dtype::f32);
    }
  CHECK(sums == 1);
  check<in_bf16<plain_of<llama<untied<12>>>>>(0x1p-5);  // 8 bits a number, chains of 4 stored products and their gradients
}

TEST_CASE("linear cross-entropy: what a part saves, and costs") {
  const program_cost all = cost_of(plain_of<gpt<tied<0>>>::make()), parts = cost_of(plain_of<gpt<tied<12>>>::make());
  const program_cost all_untied = cost_of(plain_of<llama<untied<0>>>::make()), parts_untied = cost_of(plain_of<llama<untied<12>>>::make());
  // 48 tokens in 4 parts of 12: of the logits and what becomes of them in place a quarter is left.
  const long all_logits = 48 * 2000 * 4, saved = all_logits - all_logits / 4;
  CHECK(parts.workspace_bytes < all_logits);
  CHECK(all.workspace_bytes - parts.workspace_bytes > saved * 9 / 10);
  CHECK(all_untied.workspace_bytes - parts_untied.workspace_bytes > saved * 9 / 10);
  // Nothing is computed twice: added are four sums of the head's gradient, four of the loss, and no product.
  CHECK(parts.flops - all.flops < 6 * 2000 * 16);
  CHECK(parts.flops > all.flops + 3 * 2000 * 16);
}

TEST_CASE("linear cross-entropy: the workspace of GPT-2 124M, 8 x 1024") {
  auto gibibytes = [](graph const& g) { return static_cast<double>(cost_of(g).workspace_bytes) / (1 << 30); };
  using inputs = language_model_inputs<8, 1024>;
  const graph all = gradients_of<loss_of, gpt2_124m, inputs>::make(), parts = gradients_of<loss_of, gpt<gpt2_in_parts>, inputs>::make();
  CHECK(gibibytes(all) == Approx(5.55).epsilon(0).margin(0.005));
  CHECK(gibibytes(parts) == Approx(4.25).epsilon(0).margin(0.005));
  CHECK(gibibytes(lower_precision(all, dtype::bf16)) == Approx(2.78).epsilon(0).margin(0.005));
  CHECK(gibibytes(lower_precision(parts, dtype::bf16)) == Approx(2.13).epsilon(0).margin(0.005));
}

TEST_CASE("linear cross-entropy: the fewest parts that are small enough") {
  using formwork::detail::parts_of;
  static_assert(parts_of(48, 0) == 1 && parts_of(48, 48) == 1 && parts_of(48, 100) == 1);
  static_assert(parts_of(48, 47) == 2 && parts_of(48, 24) == 2 && parts_of(48, 23) == 3 && parts_of(48, 7) == 8 && parts_of(7, 3) == 7);
  CHECK(parts_of(8192, 1000) == 16);
}
