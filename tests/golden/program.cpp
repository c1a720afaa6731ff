// The derived programs of a GPT and a Llama, run in f64 by the tests' interpreter, against PyTorch in f64:
// logits, loss and every gradient. What the file stores is rounded to f32, which is the whole difference
// allowed, but for f64 rounding itself.
#include "golden/golden.hpp"
#include "support/catch.hpp"
#include "support/interpreter.hpp"
#include "support/passes.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

struct golden_comparison {
  std::vector<double> result;
  std::vector<float> expected;

  // Half a unit of f32 of each element, and 1e-13 of the largest.
  bool good() const {
    if (result.size() != expected.size() || result.empty()) return false;
    double top = 0;
    for (float e : expected) top = std::max(top, std::abs(static_cast<double>(e)));
    for (std::size_t i = 0; i < result.size(); ++i) {
      double e = expected[i];
      if (!(std::abs(result[i] - e) <= 0x1p-24 * std::abs(e) + 1e-13 * std::max(1.0, top))) return false;
    }
    return true;
  }
  golden_comparison scaled(double factor) const {
    auto c = *this;
    for (double& x : c.result) x *= factor;
    return c;
  }
  // Two neighbouring rows exchanged, which are not equal; unchanged where there are none.
  golden_comparison exchanged(std::size_t row) const {
    auto c = *this;
    for (auto x = c.result.begin(); c.result.end() - x >= 2 * static_cast<long>(row);
         x += static_cast<long>(row)) {
      auto next = x + static_cast<long>(row);
      if (std::equal(x, next, next)) continue;
      std::swap_ranges(x, next, next);
      break;
    }
    return c;
  }
};

void require_with_teeth(golden_comparison const& c, std::size_t row) {
  REQUIRE(c.good());
  CHECK_FALSE(c.scaled(0).good());
  CHECK_FALSE(c.scaled(1.01).good());
  CHECK_FALSE(c.scaled(0.99).good());
  if (c.result.size() >= 2 * row) CHECK_FALSE(c.exchanged(row).good());
}

template <class X> std::vector<double> as_double(X const& x) { return {x.begin(), x.end()}; }

interpreter run_golden(graph const& g, golden_file const& file) {
  interpreter run(g);
  for (std::size_t k = 0; k < g.inputs.size(); ++k)
    run.set_input(static_cast<int>(k), as_double(file.numbers(std::string(g.inputs[k].name.view()), 0)));
  for (std::size_t k = 0; k < g.parameters.size(); ++k)
    run.set_parameter(static_cast<int>(k), as_double(file.get("initial", g.parameters[k])));
  run.run();
  return run;
}

template <class Model> void check_golden(std::string const& name) {
  golden_file file(name);
  graph forward = simplified(trace<logits_of, Model, language_model_prompt<golden_batch, golden_time>>());
  constexpr auto vocabulary = static_cast<std::uint64_t>(Model::vocabulary);
  auto logits = run_golden(forward, file);
  require_with_teeth({logits.output(std::string_view("result")),
                      file.template get<float>("logits", {golden_batch, golden_time, vocabulary})},
                     vocabulary);

  graph loss = simplified(trace<loss_of, Model, golden_inputs>(), stop_gradients::keep);
  graph step = simplified(differentiated(loss));
  auto run = run_golden(step, file);
  REQUIRE(run.output(std::string_view("result")).size() == 1);
  require_with_teeth({run.output(std::string_view("result")), file.template get<float>("loss", {})}, 1);
  CHECK(file.losses()[0] == file.template get<float>("loss", {})[0]);

  std::size_t tensors = 0;
  for (auto const& p : step.parameters) {
    CAPTURE(p.name.view());
    require_with_teeth({run.output(p.name.view(), role::parameter_gradient), file.get("gradient", p)},
                       static_cast<std::size_t>(p.shape[-1]));
    tensors += static_cast<std::size_t>(p.copies);
  }
  CHECK(tensors == file.parameters());
}

}  // namespace

TEST_CASE("golden: the program of a GPT gives PyTorch's logits, loss and gradients") {
  check_golden<gpt<golden_gpt_config>>("gpt");
}

TEST_CASE("golden: the program of a Llama gives PyTorch's logits, loss and gradients") {
  check_golden<llama<golden_llama_config>>("llama");
}
