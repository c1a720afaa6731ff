// A training run needs the size of its batch.
// expect: training_needs_one_batch
// expect: cpu_device
#include <formwork/backend/cpu/cpu.hpp>
#include <formwork/nn/gpt.hpp>
#include <formwork/optim/adamw.hpp>
#include <formwork/train/training.hpp>

using namespace formwork;

struct config : gpt_config {
  static constexpr int vocabulary = 64, context = 16, layers = 2, heads = 4, width = 32;
};

#ifdef FORMWORK_TWIN
using run = training<gpt<config>, adamw, cpu_device>;
#else
using run = training<gpt<config>, adamw, batch<4>, cpu_device>;
#endif

static_assert(run::time == 16);
