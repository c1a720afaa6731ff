#include "formwork/ops/exp.hpp"
#include "formwork/ops/rsqrt.hpp"
#include "formwork/ops/stop_gradient.hpp"
#include "formwork/ops/tanh.hpp"
#include "formwork/trace/attend.hpp"
#include "support/program_test.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

// Query, key and value; two batches, five tokens, four heads of two elements, on two key heads.
using query = shape<2, 5, 4, 2>;
using key = shape<2, 5, 2, 2>;
using plain = three<query, key, key>;
template <class Extra> using with = four<query, key, key, Extra>;

}  // namespace

TEST_CASE("differentiate: attention with grouped heads") {
  check_gradients<plain>([](auto const& m, auto const&) { return weighted_sum(attend(m.a, m.b, m.c)); }, {.low = -2, .high = 2});
  check_gradients<three<shape<1, 3, 2, 4>, shape<1, 6, 1, 4>, shape<1, 6, 1, 4>>>(
      [](auto const& m, auto const&) { return weighted_sum(attend(m.a, m.b, m.c, with_scale(0.9))); });
  // Everything from one value, which is used three times.
  check_gradients<one<shape<1, 4, 2, 2>>>([](auto const& m, auto const&) { return weighted_sum(attend(m.a, m.a, m.a)); });
}

TEST_CASE("differentiate: attention with masks") {
  check_gradients<plain>([](auto const& m, auto const&) { return weighted_sum(attend(m.a, m.b, m.c, with_mask(causal))); });
  check_gradients<plain>([](auto const& m, auto const&) { return weighted_sum(attend(m.a, m.b, m.c, with_mask(causal && window<2>))); });
  check_gradients<plain>([](auto const& m, auto const&) { return weighted_sum(attend(m.a, m.b, m.c, with_mask(causal || prefix<3>))); });
  check_gradients<plain, indices<shape<2, 5>>>(
      [](auto const& m, auto const& in) { return weighted_sum(attend(m.a, m.b, m.c, with_mask(causal && same_document(in.i)))); }, {.integers = 2});
  // Queries 2, 3 and 4 see nothing.
  check_gradients<plain>([](auto const& m, auto const&) { return weighted_sum(attend(m.a, m.b, m.c, with_mask(window<2> && prefix<1>))); });
}

TEST_CASE("differentiate: attention with a softcap") {
  check_gradients<plain>([](auto const& m, auto const&) {
    return weighted_sum(attend(m.a, m.b, m.c, with_mask(causal), with_score([](auto s, auto) { return 3.f * tanh(s / 3.f); })));
  }, {.low = -2, .high = 2});
}

TEST_CASE("differentiate: attention with a learned relative bias") {
  // Distances 3 and 4 read the bias of distance 2; keys ahead of the query that of distance 0.
  check_gradients<with<shape<4, 3>>>([](auto const& m, auto const&) {
    return weighted_sum(attend(m.a, m.b, m.c, with_score([&](auto s, auto at) { return s + m.d(at.head, at.query - at.key); })));
  });
  check_gradients<with<shape<4, 5>>>([](auto const& m, auto const&) {
    auto score = [&](auto s, auto at) { return 3.f * tanh((s + m.d(at.head, at.query - at.key)) / 3.f) * m.d(at.head, at.key); };
    return weighted_sum(attend(m.a, m.b, m.c, with_score(score), with_mask(causal))) + weighted_sum(m.d * m.d);
  });
  // A table that is itself computed.
  check_gradients<with<shape<5>>>([](auto const& m, auto const&) {
    auto table = exp(m.d);
    return weighted_sum(attend(m.a, m.b, m.c, with_score([&](auto s, auto at) { return s * table(at.query); })));
  });
}

TEST_CASE("differentiate: attention with learned scalars in the score") {
  check_gradients<with<shape<>>>([](auto const& m, auto const&) {
    return weighted_sum(attend(m.a, m.b, m.c, with_score([&](auto s, auto) { return s * m.d; })));
  });
  check_gradients<with<shape<>>>([](auto const& m, auto const&) {
    auto score = [&](auto s, auto at) { return s * (2 * m.d) - cast<dtype::f32>(at.query - at.key) * (m.d * m.d); };
    return weighted_sum(attend(m.a, m.b, m.c, with_score(score), with_mask(causal))) * m.d;
  });
}

TEST_CASE("differentiate: attention with weighed probabilities") {
  check_gradients<plain>([](auto const& m, auto const&) { return weighted_sum(attend(m.a, m.b, m.c, with_mask(causal), with_dropout(0.4))); });
  check_gradients<with<shape<4, 5>>>([](auto const& m, auto const&) {
    auto score = [&](auto s, auto at) { return s + m.d(at.head, at.query - at.key); };
    auto weight = [](auto at) { return exp(-0.3f * cast<dtype::f32>(at.query - at.key)); };
    return weighted_sum(attend(m.a, m.b, m.c, with_score(score), with_mask(causal), with_weight(weight), with_dropout(0.4)));
  });
}
TEST_CASE("differentiate: a weight of probabilities is a constant, and a learned one is rejected") {
  graph g = trace_of<with<shape<4, 5>>>([](auto const& m, auto const&) {
    return weighted_sum(attend(m.a, m.b, m.c, with_weight([&](auto at) { return m.d(at.head, at.key); })));
  });
  CHECK_THROWS_AS(differentiated(g), char const*);
  graph constant = differentiated(trace_of<with<shape<4, 5>>>([](auto const& m, auto const&) {
    auto table = stop_gradient(m.d);
    return weighted_sum(attend(m.a, m.b, m.c, with_weight([&](auto at) { return table(at.head, at.key); }))) + sum<>(m.d);
  }));
  interpreter run = run_program(constant, program_data(constant));
  CHECK(same_values(run.output("d", role::parameter_gradient), std::vector<double>(20, 1)));
}

TEST_CASE("differentiate: a score that is not the product of query and key is rejected") {
  graph g = trace_of<with<shape<4, 5>>>([](auto const& m, auto const&) {
    return weighted_sum(attend(m.a, m.b, m.c, with_score([&](auto, auto at) { return m.d(at.head, at.key); })));
  });
  CHECK_THROWS_AS(differentiated(g), char const*);
}

namespace {
// A pre-norm block with its own bias table, and a table and a temperature that all iterations share.
struct block {
  using qkv_t = parameter<shape<4, 12>>;
  using bias_t = parameter<shape<2, 3>>;
  BOOST_HANA_DEFINE_STRUCT(block, (qkv_t, qkv), (bias_t, bias));
  constexpr auto operator()(auto const& x, auto const& table, auto const& temperature) const {
    auto centred = x - mean<-1>(x);
    auto [q, k, v] = split<-1, 3>(matmul(centred * rsqrt(mean<-1>(centred * centred) + 1e-3f), qkv));
    auto score = [&](auto s, auto at) { return s * temperature + bias(at.head, at.query - at.key) + table(at.head, at.key); };
    auto y = attend(reshape<1, 3, 2, 2>(q), reshape<1, 3, 2, 2>(k), reshape<1, 3, 2, 2>(v), with_score(score), with_mask(causal), with_dropout(0.3));
    return x + reshape<1, 3, 4>(y);
  }
};
struct model {
  using x_t = parameter<shape<1, 3, 4>>;
  using table_t = parameter<shape<2, 3>>;
  using temperature_t = parameter<shape<>>;
  using blocks_t = repeat<3, block>;
  BOOST_HANA_DEFINE_STRUCT(model, (x_t, x), (table_t, table), (temperature_t, temperature), (blocks_t, blocks));
};
}  // namespace

TEST_CASE("differentiate: attention in a loop, with dropout, and biases of the loop and from outside") {
  check_gradients<model>([](auto const& m, auto const&) { return weighted_sum(m.blocks(m.x, m.table, m.temperature)) + 0.1 * m.temperature; });
}
