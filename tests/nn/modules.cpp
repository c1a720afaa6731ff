// Parameters of the modules and models: counts, names, shapes, starts; and the programs that they trace.
#include <set>

#include "formwork/nn/gpt.hpp"
#include "formwork/nn/language_model.hpp"
#include "formwork/nn/llama.hpp"
#include "support/catch.hpp"
#include "support/program_check.hpp"

using namespace formwork;
using namespace formwork::testing;

static_assert(parameter_count<gpt2_124m> == 124'439'808);  // the published model's
static_assert(parameter_count<llama_1b> == 1'235'814'400);

namespace {

struct small_gpt : gpt_config {
  static constexpr int vocabulary = 64, context = 16, layers = 3, heads = 4, width = 32;
};
struct small_llama : llama_config {
  static constexpr int vocabulary = 64, context = 16, layers = 3, heads = 4, kv_heads = 2, width = 32, hidden = 48;
};
struct tied_llama : small_llama {
  static constexpr bool tied = true;
};


template <class Model> graph loss_program() { return trace<loss_of, Model, language_model_inputs<2, 8>>(); }

std::string line_of(parameter_info const& p) {
  return std::string(p.name.view()) + " " + to_string(p.shape) + " x" + std::to_string(p.copies);
}
template <class Model> std::vector<std::string> parameter_lines() {
  std::vector<std::string> lines;
  for (auto const& p : loss_program<Model>().parameters) lines.push_back(line_of(p));
  return lines;
}
parameter_info parameter_named(graph const& g, std::string_view name) {
  for (auto const& p : g.parameters)
    if (p.name.view() == name) return p;
  FAIL("no parameter " << name);
  return {};
}
int count(graph const& g, kind k) {
  int n = 0;
  for (auto const& x : g.nodes) n += x.what == k;
  return n;
}

}  // namespace

TEST_CASE("gpt: names and shapes of the parameters") {
  CHECK(parameter_lines<gpt<small_gpt>>() == std::vector<std::string>{
    "token_embedding.weight [64, 32] x1", "position_embedding.weight [16, 32] x1",
    "blocks.*.attention_norm.gain [32] x3", "blocks.*.attention_norm.bias [32] x3",
    "blocks.*.attention.qkv.weight [32, 96] x3", "blocks.*.attention.qkv.bias [96] x3",
    "blocks.*.attention.projection.weight [32, 32] x3", "blocks.*.attention.projection.bias [32] x3",
    "blocks.*.mlp_norm.gain [32] x3", "blocks.*.mlp_norm.bias [32] x3",
    "blocks.*.mlp.up.weight [32, 128] x3", "blocks.*.mlp.up.bias [128] x3",
    "blocks.*.mlp.down.weight [128, 32] x3", "blocks.*.mlp.down.bias [32] x3",
    "norm.gain [32] x1", "norm.bias [32] x1"});
}

TEST_CASE("llama: names and shapes of the parameters") {
  std::vector<std::string> tied{
    "token_embedding.weight [64, 32] x1", "blocks.*.attention_norm.gain [32] x3",
    "blocks.*.attention.query.weight [32, 32] x3", "blocks.*.attention.key.weight [32, 16] x3",
    "blocks.*.attention.value.weight [32, 16] x3", "blocks.*.attention.projection.weight [32, 32] x3",
    "blocks.*.mlp_norm.gain [32] x3", "blocks.*.mlp.gate.weight [32, 48] x3",
    "blocks.*.mlp.up.weight [32, 48] x3", "blocks.*.mlp.down.weight [48, 32] x3",
    "norm.gain [32] x1"};
  CHECK(parameter_lines<llama<tied_llama>>() == tied);
  tied.push_back("head.weight [32, 64] x1");
  CHECK(parameter_lines<llama<small_llama>>() == tied);
}

TEST_CASE("gpt: starts and decay of the parameters follow GPT-2") {
  auto g = loss_program<gpt<small_gpt>>();
  for (auto const& p : g.parameters) {
    CAPTURE(p.name.view());
    auto name = p.name.view();
    CHECK(p.decays == name.ends_with("weight"));
    CHECK(p.start == (name.ends_with("gain") ? initial::ones : name.ends_with("bias") ? initial::zeros : initial::normal));
  }
  CHECK(parameter_named(g, "blocks.*.attention.qkv.weight").scale == 0.02);
  CHECK(parameter_named(g, "blocks.*.attention.projection.weight").scale == Approx(0.02 / std::sqrt(6.0)).epsilon(1e-15));
  CHECK(parameter_named(g, "blocks.*.mlp.down.weight").scale == Approx(0.02 / std::sqrt(6.0)).epsilon(1e-15));
}

TEMPLATE_TEST_CASE("models: good programs of the right results", "[nn]", gpt<small_gpt>, llama<small_llama>, llama<tied_llama>) {
  graph loss = loss_program<TestType>();
  CHECK(problem_of(loss) == "");
  REQUIRE(loss.outputs.size() == 1);
  CHECK(loss[loss.outputs[0].node].shape == dims{});
  CHECK(loss.inputs.size() == 2);
  CHECK(count(loss, kind::attend) == 1);  // depth is a loop
  CHECK(count(loss, kind::random) == 0);  // dropout of rate 0
  graph logits = trace<logits_of, TestType, language_model_prompt<2, 16>>();
  CHECK(problem_of(logits) == "");
  CHECK(logits[logits.outputs[0].node].shape == dims{2, 16, 64});
}

namespace {
struct dropping_gpt : small_gpt {
  static constexpr double dropout = 0.1;
};
struct deep : small_gpt {
  static constexpr int layers = 48;
};
}  // namespace

TEST_CASE("gpt: dropout is in the program of training only") {
  using model = gpt<dropping_gpt>;
  graph training = loss_program<model>();
  CHECK(problem_of(training) == "");
  CHECK(count(training, kind::random) == 4);  // the embedding, the attention's probabilities, and twice in a block
  std::set<int> streams;
  for (auto const& n : training.nodes)
    if (n.what == kind::random) streams.insert(n.attribute[0]);
  CHECK(streams.size() == 4);
  CHECK(count(trace<evaluation_loss_of, model, language_model_inputs<2, 8>>(), kind::random) == 0);
}

TEST_CASE("gpt: the number of layers changes no node") {
  graph shallow = loss_program<gpt<small_gpt>>(), many = loss_program<gpt<deep>>();
  CHECK(shallow.size() == many.size());
  CHECK(parameter_count<gpt<deep>> - parameter_count<gpt<small_gpt>> == 45 * (12 * 32 * 32 + 13 * 32));
}
