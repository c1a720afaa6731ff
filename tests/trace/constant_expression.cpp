// Tracing, simplifying and differentiating are constant expressions: loops, attention, gathers and reductions.
#include "formwork/ops/exp.hpp"
#include "formwork/ops/gelu_tanh.hpp"
#include "formwork/ops/rsqrt.hpp"
#include "formwork/ops/tanh.hpp"
#include "formwork/trace/attend.hpp"
#include "support/program_test.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

struct block {
  using qkv_t = parameter<shape<8, 24>>;
  using bias_t = parameter<shape<2, 4>>;
  using up_t = parameter<shape<8, 8>>;
  BOOST_HANA_DEFINE_STRUCT(block, (qkv_t, qkv), (bias_t, bias), (up_t, up));
  constexpr auto operator()(auto const& x) const {
    auto centred = x - mean<-1>(x);
    auto [q, k, v] = split<-1, 3>(matmul(centred * rsqrt(mean<-1>(centred * centred) + 1e-5f), qkv));
    auto score = [&](auto s, auto at) { return 30.f * tanh(s / 30.f) + bias(at.head, at.query - at.key); };
    auto y = attend(reshape<2, 4, 2, 4>(q), reshape<2, 4, 2, 4>(k), reshape<2, 4, 2, 4>(v), with_score(score), with_mask(causal && window<3>));
    auto h = x + reshape<2, 4, 8>(y);
    return h + gelu_tanh(matmul(h, up));
  }
};
struct model {
  using table_t = parameter<shape<6, 8>>;
  using blocks_t = repeat<3, block>;
  BOOST_HANA_DEFINE_STRUCT(model, (table_t, table), (blocks_t, blocks));
};
struct tokens {
  using t = input<dtype::i32, shape<2, 4>>;
  BOOST_HANA_DEFINE_STRUCT(tokens, (t, tokens), (t, targets));
};
struct loss {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto logits = matmul(m.blocks(gather(m.table, in.tokens)), matrix_transpose(m.table));
    return mean<>(squeeze<-1>(log_sum_exp<-1>(logits)) - pick(logits, in.targets));
  }
};

constexpr graph forward() { return simplify(trace<loss, model, tokens>(), stop_gradients::keep); }
constexpr graph training() { return simplify(differentiate(forward())); }

// What a constant expression can carry to run time. Nodes are counted, not listed: C++ does not say which operand of
// x * y is traced first, and g++ takes another one in constant expressions than at run time.
struct summary {
  int nodes = 0, outputs = 0;
  std::array<int, 32> of_kind{};
  long elements = 0;
  friend constexpr bool operator==(summary const&, summary const&) = default;
};
constexpr summary summary_of(graph const& g) {
  summary s{.nodes = g.size(), .outputs = static_cast<int>(g.outputs.size())};
  for (node const& n : g.nodes) {
    ++s.of_kind[static_cast<std::size_t>(n.what)];
    s.elements += n.shape.elements();
  }
  return s;
}

constexpr summary before = summary_of(forward()), after = summary_of(training());
static_assert(before.outputs == 1 && after.outputs == 1 + 4);
static_assert(after.nodes > before.nodes);
static_assert(parameter_count<model> == 48 + 3 * (192 + 8 + 64));

}  // namespace

TEST_CASE("trace: the program is the same in a constant expression and at run time") {
  CHECK(summary_of(forward()) == before);
  CHECK(summary_of(training()) == after);
}

TEST_CASE("trace: the constant expression's program has the gradients of finite differences") {
  check_gradients(trace<loss, model, tokens>(), {.integers = 6});
}
