// Laws of a whole training step of a small GPT: values that a budget has computed again are the same bits as stored ones,
// and the step gives the values of the program.
#include <cstring>
#include <random>

#include "formwork/nn/gpt.hpp"
#include "formwork/train/training.hpp"
#include "support/catch.hpp"
#include "support/step_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

struct small : gpt_config {
  static constexpr int vocabulary = 23, context = 12, layers = 3, heads = 2, width = 16;
  static constexpr double dropout = 0.1;
};
using stored = training_source<gpt<small>, 2, 12>;
constexpr long budget = 44 * 1024;
struct computed_again : stored { static constexpr long workspace_budget = budget; };

// Loss and gradients of a step, as bytes.
template <class Source> std::vector<unsigned char> bits() {
  using run = step<compiled<Source>, cpu_device>;
  constexpr std::size_t n = static_cast<std::size_t>(compiled<Source>::value.parameter_elements);
  auto parameters = aligned_array<float>(n), gradients = aligned_array<float>(n);
  auto workspace = aligned_array<std::byte>(run::workspace_bytes);
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 0.2f);
  for (std::size_t i = 0; i < n; ++i) parameters[i] = normal(random);
  std::fill_n(gradients.get(), n, 0.f);
  std::int32_t tokens[24], targets[24];
  for (int i = 0; i < 24; ++i) tokens[i] = i * 5 % 23, targets[i] = i * 7 % 23;
  float loss = 0;
  void *inputs[] = {tokens, targets}, *outputs[] = {&loss};
  run::run({workspace.get(), reinterpret_cast<std::byte*>(parameters.get()), reinterpret_cast<std::byte*>(gradients.get()), inputs, outputs, 7, 2});
  REQUIRE(std::isfinite(loss));
  REQUIRE(loss > 1);
  std::vector<unsigned char> all(4 * n + 4);
  std::memcpy(all.data(), gradients.get(), 4 * n);
  std::memcpy(all.data() + 4 * n, &loss, 4);
  return all;
}

}  // namespace

TEST_CASE("laws: a GPT's step is the same bits with values stored and with values computed again") {
  static_assert(compiled<computed_again>::choices.count > 0);
  static_assert(compiled<computed_again>::value.workspace_bytes <= budget && compiled<stored>::value.workspace_bytes > 3 * budget / 2);
  auto first = bits<stored>();
  CHECK(bits<computed_again>() == first);
  first[5] ^= 1;
  CHECK(bits<stored>() != first);
}

TEST_CASE("laws: a GPT's step gives the values of the program, within rounding") {
  int blunt = 0;
  for (auto const& c : compare_step<stored>({.integer_limit = 23, .bound = 4})) {
    CAPTURE(c.name, c.distance, c.norm);
    CHECK(c.distance <= 1);
    blunt += !c.teeth;
  }
  CHECK(blunt == 0);
}
