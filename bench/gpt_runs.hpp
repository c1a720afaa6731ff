// The training programs that are measured on a CPU.
#pragma once

#include "formwork/backend/cpu/cpu.hpp"
#include "formwork/nn/gpt.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/train/training.hpp"

namespace formwork::bench {

struct four_layers : gpt_config { static constexpr int vocabulary = 256, context = 128, layers = 4, heads = 4, width = 128; };
struct six_layers : gpt_config { static constexpr int vocabulary = 256, context = 256, layers = 6, heads = 6, width = 384; };
struct gpt2_short : gpt_config { static constexpr int vocabulary = 50257, context = 1024, layers = 12, heads = 12, width = 768; };

using example_run = training<gpt<four_layers>, adamw, batch<8>, cpu_device>;  // of examples/train_gpt
using small_run = training<gpt<six_layers>, adamw, batch<8, 256>, cpu_device>;
using gpt2_run = training<gpt<gpt2_short>, adamw, batch<4, 64>, cpu_device>;

}  // namespace formwork::bench
