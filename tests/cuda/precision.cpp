// Programs with 16-bit storage as CUDA kernels.
#include "cuda/check.hpp"
#include "formwork/formwork.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

struct normed {
  constexpr auto operator()(auto const& m, auto const& in) const { return mean<>(sin(standardize<-1>(in.x * m.c) * m.a + m.b)); }
};
template <long Rows, long Columns> using norm_of = gradients_of<normed, three<shape<Columns>, shape<Columns>, shape<Columns>>, numbers<shape<Rows, Columns>>>;
struct embedding_loss {
  constexpr auto operator()(auto const& m, auto const& in) const { return mean<>(sin(gather(m.a, in.i) * 3.0)); }
};

}  // namespace

// Values are stored with 8 (bf16) or 11 (f16) bits; a gradient is behind a few of them.
TEST_CASE("precision: layer norm and its gradients") {
  check_on_emulator<lowered<norm_of<37, 64>, dtype::bf16>>(4 * 0x1p-8, {}, 4);
  check_on_emulator<lowered<norm_of<9, 33>, dtype::f16>>(4 * 0x1p-11, {}, 4);
}
TEST_CASE("precision: embedding, its gradient summed in f32") {
  check_on_emulator<lowered<gradients_of<embedding_loss, one<shape<13, 40>>, indices<shape<60>>>, dtype::bf16>>(8 * 0x1p-8, {.integer_limit = 13}, 4);
}
