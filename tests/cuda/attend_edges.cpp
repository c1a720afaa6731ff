// Attention as CUDA kernels: wide heads, single queries, tables indexed in every way, and what goes wrong.
#include "cuda/check.hpp"
#include "formwork/formwork.hpp"
#include "support/attend_functions.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

using exact = gpu::options<gpu::f32_products::exact>;

struct forward_in_bf16 {
  constexpr auto operator()(auto const& m, auto const&) const {
    return cast<dtype::f32>(attend(cast<dtype::bf16>(m.a), cast<dtype::bf16>(m.b), cast<dtype::bf16>(m.c), with_mask(causal)));
  }
};
// Down columns, and in a direction that no line of a block has.
struct two_tables {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto score = [&](auto s, auto at) { return s + m.d(at.head, at.key) * m.d(at.head, at.query + 30 - 2 * at.key); };
    return sum<>(attend(m.a, m.b, m.c, with_score(score)) * in.x);
  }
};
}  // namespace

TEST_CASE("attend: heads of 128 and 256 in bf16, and of 130 in f32, whose results two blocks share") {
  check_on_emulator<gradients_of<causally_in_bf16, heads_of<1, 40, 1, 40, 1, 256>, numbers<shape<1, 40, 1, 256>>>>(4 * 0x1p-9);
  check_on_emulator<gradients_of<causally_in_bf16, heads_of<1, 40, 1, 40, 1, 128>, numbers<shape<1, 40, 1, 128>>>>(4 * 0x1p-9);
  check_on_emulator<gradients_of<causally, heads_of<1, 20, 1, 20, 1, 130>, numbers<shape<1, 20, 1, 130>>>, exact>(f32_tolerance(500));
}
TEST_CASE("attend: one query over many keys") {
  check_on_emulator<gradients_of<everything, heads_of<2, 1, 4, 150, 2, 12>, numbers<shape<2, 1, 4, 12>>>, exact>(f32_tolerance(500));
}
TEST_CASE("attend: tables whose gradients run down columns, and along no line") {
  using operands = heads_and_table<1, 37, 2, 37, 1, 8, shape<2, 37>>;
  check_on_emulator<gradients_of<two_tables, operands, numbers<shape<1, 37, 2, 8>>>, exact>(f32_tolerance(500));
}
TEST_CASE("attend: what goes wrong is seen") {
  // The first barrier and two waits are met before anything has been computed with; what comes later the emulator lets
  // happen in time too often for this test.
  check_faults<values_of<forward_in_bf16, heads_of<1, 70, 1, 70, 1, 32>>>(4 * 0x1p-9, {.barriers = 1, .waits = 2},
    {emulator::fault::wrong_swizzle, emulator::fault::swapped_rows});
}
TEST_CASE("attend: what goes wrong in the backward pass is seen") {
  // One block of keys, two barriers in the forward kernel; the key kernel passes four heads.
  using source = gradients_of<causally, heads_of<1, 20, 4, 20, 1, 12>, numbers<shape<1, 20, 4, 12>>>;
  CHECK_FALSE(is_caught<source, exact>(f32_tolerance(300), emulator::fault::none, 0));
  for (int at : {2, 3}) {
    CAPTURE(at);
    CHECK(is_caught<source, exact>(f32_tolerance(300), emulator::fault::drop_barrier, at));
    CHECK(is_caught<source, exact>(f32_tolerance(300), emulator::fault::drop_wait, at));
  }
  CHECK(is_caught<source, exact>(f32_tolerance(300), emulator::fault::wide_predicate, 0));  // columns beyond the width
}
