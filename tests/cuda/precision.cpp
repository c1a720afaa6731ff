// Programs with 16-bit storage as CUDA kernels.
#include "cuda/check.hpp"
#include "formwork/formwork.hpp"
#include "support/rows_functions.hpp"

using namespace formwork;
using namespace formwork::testing;

// Values are stored with 8 (bf16) or 11 (f16) bits; a gradient is behind a few of them.
TEST_CASE("precision: layer norm and its gradients") {
  check_on_emulator<lowered<norm_of<37, 64>, dtype::bf16>>(4 * 0x1p-8);
  check_on_emulator<lowered<norm_of<9, 33>, dtype::f16>>(4 * 0x1p-11);
}
TEST_CASE("precision: embedding, its gradient summed in f32") {
  check_on_emulator<lowered<gradients_of<embedding_loss, one<shape<13, 40>>, indices<shape<60>>>, dtype::bf16>>(8 * 0x1p-8, {.integer_limit = 13});
}
