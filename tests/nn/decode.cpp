// Decoding one time after the other, with kept keys and values, is the same function as the whole sequence at once.
#include <random>

#include "formwork/nn/gpt.hpp"
#include "formwork/nn/language_model.hpp"
#include "formwork/nn/llama.hpp"
#include "support/catch.hpp"
#include "support/interpreter.hpp"

using namespace formwork;

namespace {

struct small_gpt : gpt_config {
  static constexpr int vocabulary = 11, context = 6, layers = 3, heads = 2, width = 8;
};
struct small_llama : llama_config {
  static constexpr int vocabulary = 11, context = 6, layers = 3, heads = 4, kv_heads = 2, width = 8, hidden = 12;
};

// The largest difference of the logits, in f64, over all times of two sequences of a batch.
template <class Model> double largest_difference(long shift) {
  constexpr long times = 6, batch = 2, vocabulary = 11;
  graph whole = trace<logits_of, Model, language_model_prompt<batch, times>>();
  graph one = trace<decoded_logits_of, Model, language_model_step<batch>>();
  testing::interpreter all(whole), decode(one);
  std::mt19937 random(3);
  std::normal_distribution<double> normal(0, 0.5);
  for (std::size_t p = 0; p < whole.parameters.size(); ++p) {
    std::vector<double> x(static_cast<std::size_t>(whole.parameters[p].elements()));
    for (double& v : x) v = normal(random);
    all.set_parameter(static_cast<int>(p), x);
    decode.set_parameter(static_cast<int>(p), x);
  }
  std::vector<double> tokens(batch * times);
  for (double& t : tokens) t = static_cast<double>(random() % vocabulary);
  all.set_input(0, tokens);
  all.run();
  const auto expected = all.output("result");
  std::vector<std::vector<double>> states;
  for (std::size_t k = 2; k < one.inputs.size(); ++k)
    states.emplace_back(static_cast<std::size_t>(one.inputs[k].shape.elements()) * 3, 0.0);  // of three layers
  REQUIRE(states.size() == 2);
  double worst = 0;
  for (long t = 0; t < times; ++t) {
    decode.set_input(0, {tokens[static_cast<std::size_t>(t)], tokens[static_cast<std::size_t>(times + t)]});
    decode.set_input(1, {static_cast<double>(std::min(t + shift, times - 1))});
    for (std::size_t k = 0; k < states.size(); ++k) decode.set_input(static_cast<int>(2 + k), states[k]);
    decode.run();
    for (std::size_t k = 0; k < states.size(); ++k) states[k] = decode.output(k);
    const auto& got = decode.output("result");
    for (long b = 0; b < batch; ++b)
      for (long v = 0; v < vocabulary; ++v)
        worst = std::max(worst, std::abs(got[static_cast<std::size_t>(b * vocabulary + v)] -
                                         expected[static_cast<std::size_t>((b * times + t) * vocabulary + v)]));
  }
  return worst;
}

}  // namespace

TEMPLATE_TEST_CASE("decode: logits of a step are those of the whole sequence", "[nn]", gpt<small_gpt>, llama<small_llama>) {
  CHECK(largest_difference<TestType>(0) < 1e-11);
  CHECK(largest_difference<TestType>(1) > 1e-3);  // a wrong position is found
}
