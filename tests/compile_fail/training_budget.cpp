// A training run's budget, below what it needs even if everything is computed again.
// expect: workspace_budget_is_too_small<formwork::training_source<formwork::gpt<config>
// expect: bytes<1024>
// expect: smallest<
#include <formwork/backend/cpu/cpu.hpp>
#include <formwork/nn/gpt.hpp>
#include <formwork/optim/adamw.hpp>
#include <formwork/train/training.hpp>

using namespace formwork;

struct config : gpt_config {
  static constexpr int vocabulary = 16, context = 8, layers = 2, heads = 2, width = 8;
};

#ifdef FORMWORK_TWIN
using run = training<gpt<config>, adamw, batch<4>, workspace_budget<1024>, cpu_device>;
#else
using run = training<gpt<config>, adamw, batch<4>, workspace_budget<MiB>, cpu_device>;
#endif

static_assert(run_programs<run>::training_program::value.workspace_bytes <= MiB);
