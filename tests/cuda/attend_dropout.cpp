// Dropout and other weights of attention's probabilities as CUDA kernels: against the f64 interpreter, and which pairs are
// kept, the same as on the CPU.
#include "cuda/check.hpp"
#include "formwork/formwork.hpp"
#include "support/attend_dropout.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

using exact = gpu::options<gpu::f32_products::exact>;

struct dropped_in_bf16 {
  constexpr auto operator()(auto const& m, auto const& in) const {
    return sum<>(cast<dtype::f32>(attend(cast<dtype::bf16>(m.a), cast<dtype::bf16>(m.b), cast<dtype::bf16>(m.c), with_mask(causal), with_dropout(0.3))) * in.x);
  }
};
constexpr random_state drawn_from{.seed = 0x299f31d0a4093822u, .step = 7};
template <long B, long T, long H, long S> void check_kept() {
  emulator::settings how{.seed = 1};
  const auto gpu = kept_pairs<20, B, T, H, S, emulator::device<exact>>(drawn_from, &how);
  CHECK(gpu == kept_pairs<20, B, T, H, S, cpu_device>(drawn_from));
  CHECK(gpu == kept_numbers(0.2, gpu.size(), drawn_from));
}

}  // namespace

TEST_CASE("attend: dropout, f32, threads that exchange random numbers") {
  check_on_emulator<gradients_of<dropped, heads_of<2, 72, 4, 72, 2, 8>, numbers<shape<2, 72, 4, 8>>>, exact>(f32_tolerance(500));
}
TEST_CASE("attend: dropout, bf16, rows of keys that begin inside a block of random numbers") {
  check_on_emulator<gradients_of<dropped_in_bf16, heads_of<1, 70, 2, 70, 1, 32>, numbers<shape<1, 70, 2, 32>>>>(4 * 0x1p-9);
}
TEST_CASE("attend: random numbers in score, mask and weight, and a table's gradient") {
  using source = gradients_of<random_everywhere, heads_and_table<2, 37, 4, 40, 2, 8, shape<4, 30>>, numbers<shape<2, 37, 4, 8>>>;
  check_on_emulator<source, exact>(f32_tolerance(500));
}
TEST_CASE("attend: the GPU keeps what the CPU keeps") {
  check_kept<2, 33, 3, 36>();
  check_kept<2, 33, 3, 35>();
}
