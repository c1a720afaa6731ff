// A training run with a budget for its workspace: less memory, the same numbers.
#include "formwork/backend/cpu/cpu.hpp"
#include "formwork/nn/gpt.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/train/training_step.hpp"
#include "support/catch.hpp"

using namespace formwork;

namespace {
struct config : gpt_config {
  static constexpr int vocabulary = 16, context = 8, layers = 4, heads = 2, width = 8;
  static constexpr double dropout = 0.1;
};
constexpr long budget = 48 * 1024;
using plenty = training<gpt<config>, adamw, batch<4>, cpu_device>;
using frugal = training<gpt<config>, adamw, batch<4>, workspace_budget<budget>, cpu_device>;
template <class Run> constexpr long workspace_of = run_programs<Run>::training_program::value.workspace_bytes;
static_assert(frugal::budget_bytes == budget && plenty::budget_bytes < 0);
static_assert(workspace_of<frugal> <= budget && workspace_of<plenty> > budget);
static_assert(arena_bytes<frugal> < arena_bytes<plenty>);
}  // namespace

TEST_CASE("training with a budget: the same bits in less memory") {
  training_step<plenty> a(3);
  training_step<frugal> b(3);
  std::vector<std::int32_t> tokens(32), targets(32);
  for (std::size_t i = 0; i < 32; ++i) {
    tokens[i] = static_cast<std::int32_t>(i * i % 13);
    targets[i] = static_cast<std::int32_t>((i * 7 + 1) % 16);
  }
  for (int n = 0; n < 3; ++n) {
    const step_result x = a.step(tokens, targets, 1e-2f), y = b.step(tokens, targets, 1e-2f);
    CHECK(x.loss == y.loss);
    CHECK(x.gradient_norm == y.gradient_norm);
    CHECK(std::equal(a.parameters().begin(), a.parameters().end(), b.parameters().begin()));
  }
  CHECK(a.step(tokens, targets, 0).gradient_norm > 0);
}
