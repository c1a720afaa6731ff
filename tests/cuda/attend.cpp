// Attention as CUDA kernels: scores, masks, grouped heads, shapes that do and do not divide the blocks, forward and backward.
#include "cuda/check.hpp"
#include "formwork/formwork.hpp"
#include "support/attend_functions.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

using exact = gpu::options<gpu::f32_products::exact>;
using fast = gpu::options<gpu::f32_products::tf32>;

template <class Query, class Ids> struct weights_and_documents {
  using x_t = input<dtype::f32, Query>;
  using i_t = input<dtype::i32, Ids>;
  BOOST_HANA_DEFINE_STRUCT(weights_and_documents, (x_t, x), (i_t, i));
};

// A window, a soft cap and a slope per head (ALiBi).
struct capped {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto score = [](auto s, auto at) { return 30.f * tanh(s / 30.f) - 0.1f * cast<dtype::f32>(at.head + 1) * cast<dtype::f32>(at.query - at.key); };
    return sum<>(attend(m.a, m.b, m.c, with_mask(causal && window<41>), with_score(score)) * in.x);
  }
};
// A learned bias of the distance: (heads, distances).
struct relative {
  constexpr auto operator()(auto const& m, auto const& in) const {
    return sum<>(attend(m.a, m.b, m.c, with_mask(causal), with_score([&](auto s, auto at) { return s + m.d(at.head, at.query - at.key); })) * in.x);
  }
};
struct within_documents {
  constexpr auto operator()(auto const& m, auto const& in) const { return sum<>(attend(m.a, m.b, m.c, with_mask(causal && same_document(in.i))) * in.x); }
};

}  // namespace

TEST_CASE("attend: causal, f32, blocks that the sequence does not fill") {
  check_on_emulator<gradients_of<causally, heads_of<2, 70, 2, 70, 1, 8>, numbers<shape<2, 70, 2, 8>>>, exact>(f32_tolerance(300));
}
TEST_CASE("attend: a window, a soft cap and ALiBi over more keys than queries") {
  check_on_emulator<gradients_of<capped, heads_of<1, 70, 2, 90, 1, 32>, numbers<shape<1, 70, 2, 32>>>, exact>(f32_tolerance(500));
}
TEST_CASE("attend: a learned bias of the distance and its gradient, grouped heads") {
  check_on_emulator<gradients_of<relative, heads_and_table<2, 37, 4, 37, 2, 8, shape<4, 30>>, numbers<shape<2, 37, 4, 8>>>, exact>(f32_tolerance(500));
}
TEST_CASE("attend: documents") {
  check_on_emulator<gradients_of<within_documents, heads_of<2, 70, 2, 70, 2, 8>, weights_and_documents<shape<2, 70, 2, 8>, shape<2, 70>>>, exact>(f32_tolerance(300), {.integer_limit = 3});
}
// Products of rounded operands (contract.cpp has the error of one); a gradient is behind three or four of them.
TEST_CASE("attend: tf32") {
  check_on_emulator<gradients_of<everything, heads_of<1, 21, 2, 90, 1, 16>, numbers<shape<1, 21, 2, 16>>>, fast>(2 * 0x1p-11);
}
// A gradient is behind eight values of 8 bits: the operands, out, dout, p, ds and its own.
TEST_CASE("attend: bf16") {
  check_on_emulator<gradients_of<causally_in_bf16, heads_of<1, 70, 2, 70, 1, 64>, numbers<shape<1, 70, 2, 64>>>>(4 * 0x1p-9);
}
