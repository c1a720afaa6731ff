// Elementwise work and reductions as CUDA kernels.
#include "cuda/check.hpp"
#include "formwork/formwork.hpp"
#include "support/rows_functions.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

struct entropy {
  constexpr auto operator()(auto const& m, auto const& in) const { return cross_entropy(m.a * 1.5, in.i); }
};
struct swapped {
  constexpr auto operator()(auto const& m, auto const& in) const { return mean<>(sin(transpose<1, 0>(m.a) * in.x) * transpose<1, 0>(m.a)); }
};
struct dropped {
  constexpr auto operator()(auto const& m, auto const& in) const { return mean<>(select(random_like(in.x) < 0.7, in.x * m.a, 0.0 * in.x)); }
};
struct both {
  constexpr auto operator()(auto const& m, auto const& in) const { return log_sum_exp<0>(in.x * m.a) + sum<0>(in.x); }
};

}  // namespace

TEST_CASE("rows: layer norm and its gradients, columns that fit a vector and that do not") {
  check_on_emulator<norm_of<37, 64>>(f32_tolerance(200));
  check_on_emulator<norm_of<5, 300>>(f32_tolerance(200));
  check_on_emulator<norm_of<9, 33>>(f32_tolerance(200));
}
TEST_CASE("rows: softmax along rows of one warp, of several, and too long for registers") {
  check_on_emulator<gradients_of<soft, one<shape<1, 24>>, numbers<shape<11, 24>>>>(f32_tolerance(400));
  check_on_emulator<gradients_of<soft, one<shape<1, 1030>>, numbers<shape<3, 1030>>>>(f32_tolerance(1000), {}, 4);
  check_on_emulator<gradients_of<soft, one<shape<1, 20001>>, numbers<shape<3, 20001>>>>(f32_tolerance(4000), {}, 2);
}
TEST_CASE("rows: cross-entropy") {
  check_on_emulator<gradients_of<entropy, one<shape<7, 50>>, indices<shape<7>>>>(f32_tolerance(200), {.integer_limit = 50});
}
TEST_CASE("rows: embedding, its gradient in the order of the tokens") {
  check_on_emulator<gradients_of<embedding_loss, one<shape<13, 40>>, indices<shape<600>>>>(f32_tolerance(600), {.integer_limit = 13}, 4);
  check_on_emulator<gradients_of<embedding_loss, one<shape<300, 5>>, indices<shape<70>>>>(f32_tolerance(200), {.integer_limit = 300}, 4);
}
TEST_CASE("rows: transposed operands") {
  check_on_emulator<gradients_of<swapped, one<shape<45, 18>>, numbers<shape<18, 45>>>>(f32_tolerance(200));
}
TEST_CASE("rows: random numbers are those of every backend") {
  check_on_emulator<gradients_of<dropped, one<shape<16>>, numbers<shape<12, 16>>>>(f32_tolerance(100));
  check_on_emulator<gradients_of<dropped, one<shape<7>>, numbers<shape<12, 7>>>>(f32_tolerance(100));
}
TEST_CASE("rows: reductions down columns alone") {
  check_on_emulator<values_of<both, one<shape<70>>, numbers<shape<531, 70>>>>(f32_tolerance(600), {}, 4);
}
