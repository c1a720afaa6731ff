// Attention layers with any score and mask, and blocks; a module and an operation from outside the library.
#include "formwork/nn/attention.hpp"
#include "formwork/nn/block.hpp"
#include "formwork/nn/mlp.hpp"
#include "formwork/nn/normalization.hpp"
#include "formwork/ops/tanh.hpp"
#include "formwork/program/describe.hpp"
#include "support/program_test.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

struct policy {
  static constexpr double rope_base = 100, norm_epsilon = 1e-3, dropout = 0;
};
using separate = grouped_query_attention<8, 4, 2, policy>;
using fused = fused_grouped_query_attention<8, 4, 2, policy>;
using tokens = numbers<shape<2, 5, 8>>;

struct plain {
  constexpr auto operator()(auto const& m, auto const& in) const { return m(in.x); }
};

// Columns first, ..., first + count - 1 of a matrix.
std::vector<double> columns(std::vector<double> const& x, std::size_t width, std::size_t first, std::size_t count) {
  std::vector<double> part;
  for (std::size_t r = 0; r < x.size(); r += width) part.insert(part.end(), &x[r + first], &x[r + first] + count);
  return part;
}

// The output at each time when one element of the input at time 3 moves: which of them change.
template <class Module, class Function> std::vector<bool> times_that_see(Function f) {
  graph g = trace_of<Module, tokens>(f);
  program_data data(g);
  auto before = run_program(g, data).output(0);
  data.inputs[0][3 * 8 + 1] += 0.5;
  auto after = run_program(g, data).output(0);
  std::vector<bool> sees;
  for (std::size_t t = 0; t < 5; ++t)
    sees.push_back(!std::equal(&before[8 * t], &before[8 * t] + 8, &after[8 * t]));
  CHECK(std::equal(&before[40], &before[40] + 40, &after[40]));  // the other batch row
  return sees;
}

}  // namespace

TEST_CASE("attention: a time sees itself and what was before it, unless a mask says otherwise") {
  using module = multi_head_attention<8, 2>;
  CHECK(times_that_see<module>(plain{}) == std::vector<bool>{false, false, false, true, true});
  CHECK(times_that_see<separate>(plain{}) == std::vector<bool>{false, false, false, true, true});
  CHECK(times_that_see<module>([](auto const& m, auto const& in) { return m(in.x, with_mask(prefix<5>)); }) ==
        std::vector<bool>{true, true, true, true, true});
  CHECK(times_that_see<module>([](auto const& m, auto const& in) { return m(in.x, with_mask(causal && window<1>)); }) ==
        std::vector<bool>{false, false, false, true, false});
}

TEST_CASE("attention: gradients, also of a learned bias in the score") {
  check_gradients<multi_head_attention<8, 2>, tokens>([](auto const& m, auto const& in) { return weighted_sum(m(in.x)); });
  check_gradients<separate, tokens>([](auto const& m, auto const& in) { return weighted_sum(m(in.x)); });
  struct biased {
    using attention_type = multi_head_attention<8, 2, without_bias>;
    using bias_type = parameter<shape<2, 5>>;
    BOOST_HANA_DEFINE_STRUCT(biased, (attention_type, attention), (bias_type, bias));
  };
  check_gradients<biased, tokens>([](auto const& m, auto const& in) {
    return weighted_sum(m.attention(in.x, with_score([&](auto s, auto at) { return 3 * tanh(s / 3) + m.bias(at.head, at.query - at.key); })));
  });
}

TEST_CASE("attention: one product for queries, keys and values is the same as three") {
  graph one = trace_of<fused, tokens>(plain{}), three = trace_of<separate, tokens>(plain{});
  program_data a(one), b(three);
  REQUIRE(a.parameters.size() == 2);
  REQUIRE(b.parameters.size() == 4);
  b.inputs = a.inputs;
  b.parameters = {columns(a.parameters[0], 16, 0, 8), columns(a.parameters[0], 16, 8, 4), columns(a.parameters[0], 16, 12, 4), a.parameters[1]};
  auto y = run_program(one, a).output(0);
  CHECK(same_values(y, run_program(three, b).output(0)));
  std::swap(b.parameters[1], b.parameters[2]);
  CHECK_FALSE(same_values(y, run_program(three, b).output(0)));
}

TEST_CASE("rotary: attention depends on distances only") {
  auto at = [](auto offset) {
    return [](auto const& m, auto const& in) { return m.projection(attend_causally(m.operands(in.x, decltype(offset)::value))); };
  };
  graph g = trace_of<separate, tokens>(at(std::integral_constant<int, 0>{}));
  graph h = trace_of<separate, tokens>(at(std::integral_constant<int, 7>{}));
  program_data data(g);
  CHECK(same_values(run_program(g, data).output(0), run_program(h, data).output(0)));
}

TEST_CASE("block: gradients through a stack of blocks") {
  using block_type = pre_norm_block<rms_norm<8, policy>, separate, gated_mlp<8, 6>, policy>;
  struct stack {
    using blocks_type = repeat<2, block_type>;
    BOOST_HANA_DEFINE_STRUCT(stack, (blocks_type, blocks));
  };
  check_gradients<stack, tokens>([](auto const& m, auto const& in) { return weighted_sum(m.blocks(in.x)); });
}

// ---- outside the library ----

namespace elsewhere {

// y = x / (1 + x^2), y' = (1 - x^2) / (1 + x^2)^2
struct bump {
  static constexpr auto name = "bump";
  FORMWORK_FN static constexpr auto value(auto x) { return x / (1 + x * x); }
  static constexpr auto derivative(auto x, auto, auto dy) {
    auto q = 1 + x * x;
    return dy * (1 - x * x) / (q * q);
  }
};

// Each channel has its own gate, and a skip around the layer.
template <long Width> struct gate {
  using mix_type = linear<Width, Width>;
  using strength_type = parameter<shape<Width>, ones>;
  BOOST_HANA_DEFINE_STRUCT(gate, (mix_type, mix), (strength_type, strength));
  constexpr auto operator()(auto const& x) const { return x + strength * apply<bump>(mix(x)); }
};

template <long Width> struct net {
  using gates_type = repeat<3, gate<Width>>;
  using mlp_type = mlp<Width, 2 * Width, bump>;
  BOOST_HANA_DEFINE_STRUCT(net, (gates_type, gates), (mlp_type, mlp_));
  constexpr auto operator()(auto const& x) const { return mlp_(gates(x)); }
};

}  // namespace elsewhere

static_assert(parameter_count<elsewhere::net<4>> == 3 * (4 * 4 + 4 + 4) + 2 * 4 * 8 + 8 + 4);

TEST_CASE("module: one from outside the library, with an operation of its own, works the same") {
  using module = elsewhere::net<4>;
  check_gradients<module, numbers<shape<3, 4>>>([](auto const& m, auto const& in) { return weighted_sum(m(in.x)); });
  graph g = trace_of<module, numbers<shape<3, 4>>>(plain{});
  REQUIRE(g.parameters.size() == 7);
  CHECK(g.parameters[0].name.view() == "gates.*.mix.weight");
  CHECK(g.parameters[2].name.view() == "gates.*.strength");
  CHECK(describe(g).find("bump") != std::string::npos);
}
