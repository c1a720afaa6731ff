// Compiled attention whose score and mask read tables: learned biases, their gradients, documents; against f64.
#include "formwork/ops/equal.hpp"
#include "formwork/ops/tanh.hpp"
#include "formwork/trace/attend.hpp"
#include "support/catch.hpp"
#include "support/programs.hpp"
#include "support/step_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

struct tables {
  using bias_t = parameter<shape<4, 30>>;
  using slope_t = parameter<shape<2, 4>>;
  BOOST_HANA_DEFINE_STRUCT(tables, (bias_t, bias), (slope_t, slope));
};
struct operands {
  using query_t = input<dtype::f32, shape<2, 70, 4, 8>>;
  using key_t = input<dtype::f32, shape<2, 70, 2, 8>>;
  using ids_t = input<dtype::i32, shape<2, 70>>;
  BOOST_HANA_DEFINE_STRUCT(operands, (query_t, query), (key_t, key), (key_t, value), (query_t, weight), (ids_t, ids));
};
struct loss {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto score = [&](auto s, auto at) { return 3 * tanh(s / 3) + m.bias(at.head, at.query - at.key) + s * m.slope(at.batch, at.head); };
    auto y = attend(in.query, in.key, in.value, with_score(score), with_mask(causal && same_document(in.ids)));
    return reshape<>(sum<>(y * in.weight));
  }
};
using source = all_gradients_of<loss, tables, operands>;

}  // namespace

TEST_CASE("step: scores and masks that read tables, with gradients") {
  step_check_options o{.spread = 1};
  o.integers.resize(5);
  for (int b = 0; b < 2; ++b)
    for (int t = 0; t < 70; ++t) o.integers[4].push_back(b == 0 ? t / 17 : t / 40);
  // Chains of sums over 8 dimensions, 70 keys and queries, and 70 x 70 pairs for a table, in f32.
  const double tolerance = 3 * 70 * 0x1p-24;
  CHECK(check_step<source>(tolerance, o).size() == 7);  // the loss, two tables, dq, dk, dv, dw
  // One time in another document shows in everything but the loss, which is one number.
  o.oracle_integers = o.integers;
  o.oracle_integers[4][30] = 0;
  auto other = compare_step<source>(o);
  for (std::size_t k = 1; k < other.size(); ++k) CHECK(other[k].error > 10 * tolerance);
}
