// Attention with lookups in its score and its mask, forward and backward, on the CPU against the f64 interpreter.
#include "formwork/nn/normalization.hpp"
#include "formwork/ops/square.hpp"
#include "formwork/trace/attend.hpp"
#include "support/catch.hpp"
#include "support/programs.hpp"
#include "support/step_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

// A learned bias of the distance, (heads, distances), between the times of one document.
using operands = four<shape<2, 37, 4, 8>, shape<2, 37, 2, 8>, shape<2, 37, 2, 8>, shape<4, 30>>;
struct documents {
  using x_t = input<dtype::f32, shape<2, 37, 4, 8>>;
  using i_t = input<dtype::i32, shape<2, 37>>;
  BOOST_HANA_DEFINE_STRUCT(documents, (x_t, x), (i_t, i));
};
struct loss {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto score = [&](auto s, auto at) { return s + m.d(at.head, at.query - at.key); };
    // Squares: a sum whose terms cancel has no bound relative to itself.
    return sum<>(square(attend(m.a, m.b, m.c, with_mask(causal && same_document(in.i)), with_score(score)) + in.x));
  }
};
using program = gradients_of<loss, operands, documents>;

}  // namespace

TEST_CASE("step: lookups in a score and in its mask") {
  const double tolerance = 3 * std::sqrt(500.0) * 0x1p-24;  // 500 independent roundings
  CHECK(check_step<program>(tolerance, {.integer_limit = 3}).size() == 5);
}
