// Attention with its gradients: causal, grouped heads, wide heads, tables, dropout, run-time lengths.
#include "gpu/skeletons.cuh"
#include "support/attend_dropout.hpp"
#include "support/attend_functions.hpp"
#include "support/ragged_attention.hpp"

namespace formwork::testing {

namespace {
step_check_options lengths() {
  step_check_options o;
  o.spread = 1;
  o.integers.resize(5);
  o.integers[4] = {0, 1, 70, 150};
  return o;
}
}  // namespace

std::vector<checked_program> attend_skeletons() {
  return {checked<gradients_of<causally, heads_of<2, 70, 2, 70, 1, 8>, numbers<shape<2, 70, 2, 8>>>, cuda_exact_device>("causal", f32_tolerance(300)),
          checked<gradients_of<causally_in_bf16, heads_of<1, 70, 2, 70, 1, 64>, numbers<shape<1, 70, 2, 64>>>>("bf16", 4 * 0x1p-9),
          checked<gradients_of<causally_in_bf16, heads_of<1, 40, 1, 40, 1, 256>, numbers<shape<1, 40, 1, 256>>>>("bf16, 256 wide", 4 * 0x1p-9),
          checked<gradients_of<random_everywhere, heads_and_table<2, 37, 4, 40, 2, 8, shape<4, 30>>, numbers<shape<2, 37, 4, 8>>>, cuda_exact_device>("random numbers, a table", f32_tolerance(500)),
          checked<ragged_attention<4, 150>, cuda_exact_device>("lengths", f32_tolerance(500), lengths())};
}

}  // namespace formwork::testing
