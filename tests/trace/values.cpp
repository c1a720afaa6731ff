// What traced functions mean: their values, run by the interpreter, against formulas written out by hand.
#include "formwork/ops/exp.hpp"
#include "formwork/ops/tanh.hpp"
#include "formwork/trace/attend.hpp"
#include "support/program_test.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

using tensor = std::vector<double>;

tensor counted(std::size_t n, double first = 0) {
  tensor x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = first + static_cast<double>(i);
  return x;
}

// The result of f with the parameters 0, 1, 2, ... and the integer input `i`.
template <class Module, class Inputs = nothing, class Function> tensor result(Function f, tensor i = {}) {
  graph g = trace_of<Module, Inputs>(f);
  interpreter run(g);
  for (std::size_t p = 0; p < g.parameters.size(); ++p)
    run.set_parameter(static_cast<int>(p), counted(static_cast<std::size_t>(g.parameters[p].elements())));
  if (!g.inputs.empty()) run.set_input(0, i);
  run.run();
  return run.output("result");
}

}  // namespace

TEST_CASE("trace: views") {
  using m23 = one<shape<2, 3>>;
  CHECK(result<m23>([](auto const& m, auto const&) { return transpose<1, 0>(m.a); }) == tensor{0, 3, 1, 4, 2, 5});
  CHECK(result<one<shape<2, 1, 3>>>([](auto const& m, auto const&) { return transpose<2, 0, 1>(m.a); }) == tensor{0, 3, 1, 4, 2, 5});
  CHECK(result<m23>([](auto const& m, auto const&) { return reshape<3, 2>(m.a); }) == counted(6));
  CHECK(result<m23>([](auto const& m, auto const&) { return slice<1, 1, 2>(m.a); }) == tensor{1, 2, 4, 5});
  CHECK(result<m23>([](auto const& m, auto const&) { return slice<0, 1, 1>(m.a); }) == tensor{3, 4, 5});
  CHECK(result<m23>([](auto const& m, auto const&) { return concatenate<1>(m.a, slice<1, 0, 1>(m.a)); }) == tensor{0, 1, 2, 0, 3, 4, 5, 3});
  CHECK(result<m23>([](auto const& m, auto const&) { return concatenate<0>(m.a, m.a); }) == tensor{0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5});
  CHECK(result<one<shape<2, 4>>>([](auto const& m, auto const&) { return split<-1, 2>(m.a)[1]; }) == tensor{2, 3, 6, 7});
  CHECK(result<one<shape<2, 4>>>([](auto const& m, auto const&) { return split<0, 2>(m.a)[0]; }) == counted(4));
  CHECK(result<one<shape<2, 1>>>([](auto const& m, auto const&) { return broadcast_to<2, 2, 3>(m.a); }) == tensor{0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1});
  CHECK(result<two<shape<2, 1>, shape<3>>>([](auto const& m, auto const&) { return 10 * m.a - m.b; }) == tensor{0, -1, -2, 10, 9, 8});
  CHECK(result<m23>([](auto const& m, auto const&) { return cast<dtype::i32>(m.a * 0.5 - 1); }) == tensor{-1, 0, 0, 0, 1, 1});
}

TEST_CASE("trace: reductions") {
  using m223 = one<shape<2, 2, 3>>;
  CHECK(result<m223>([](auto const& m, auto const&) { return sum<0>(m.a); }) == tensor{6, 8, 10, 12, 14, 16});
  CHECK(result<m223>([](auto const& m, auto const&) { return sum<1>(m.a); }) == tensor{3, 5, 7, 15, 17, 19});
  CHECK(result<m223>([](auto const& m, auto const&) { return sum<-1>(m.a); }) == tensor{3, 12, 21, 30});
  CHECK(result<m223>([](auto const& m, auto const&) { return sum<0, 2>(m.a); }) == tensor{24, 42});
  CHECK(result<m223>([](auto const& m, auto const&) { return sum<>(m.a); }) == tensor{66});
  CHECK(result<m223>([](auto const& m, auto const&) { return mean<1, 2>(m.a); }) == tensor{2.5, 8.5});
  CHECK(result<m223>([](auto const& m, auto const&) { return maximum<0>(m.a); }) == tensor{6, 7, 8, 9, 10, 11});
  CHECK(result<m223>([](auto const& m, auto const&) { return minimum<1, 2>(m.a); }) == tensor{0, 6});
  CHECK(same_values(result<m223>([](auto const& m, auto const&) { return variance<2>(m.a); }), tensor(4, 2.0 / 3)));
  double lse = std::log(1 + std::exp(1.0) + std::exp(2.0));
  CHECK(same_values(result<m223>([](auto const& m, auto const&) { return log_sum_exp<2>(m.a); }), {lse, 3 + lse, 6 + lse, 9 + lse}));
  CHECK(same_values(result<one<shape<2>>>([](auto const& m, auto const&) { return log_sum_exp<>(1e4 * m.a); }), {1e4}));
}

TEST_CASE("trace: matrix products") {
  // [[0 1 2] [3 4 5]] [[0 1] [2 3] [4 5]]
  CHECK(result<two<shape<2, 3>, shape<3, 2>>>([](auto const& m, auto const&) { return matmul(m.a, m.b); }) == tensor{10, 13, 28, 40});
  CHECK(result<two<shape<2, 1, 3>, shape<3, 2>>>([](auto const& m, auto const&) { return matmul(m.a, m.b); }) == tensor{10, 13, 28, 40});
  CHECK(result<two<shape<2, 1, 2>, shape<2, 2, 1>>>([](auto const& m, auto const&) { return matmul(m.a, m.b); }) == tensor{1, 13});
  CHECK(result<two<shape<1, 2>, shape<2, 2, 1>>>([](auto const& m, auto const&) { return matmul(m.a, m.b); }) == tensor{1, 3});
  CHECK(result<two<shape<2, 1, 1, 2>, shape<2, 2, 1>>>([](auto const& m, auto const&) { return matmul(m.a, m.b); }) == tensor{1, 3, 3, 13});
}

TEST_CASE("trace: rows by number") {
  using table = one<shape<3, 2>>;
  CHECK(result<table, indices<shape<4>>>([](auto const& m, auto const& in) { return gather(m.a, in.i); }, {2, 0, 2, 1}) == tensor{4, 5, 0, 1, 4, 5, 2, 3});
  CHECK(result<table, indices<shape<3>>>([](auto const& m, auto const& in) { return pick(m.a, in.i); }, {1, 0, 1}) == tensor{1, 2, 5});
  CHECK(result<nothing, indices<shape<2>>>([](auto const&, auto const& in) { return one_hot<3>(in.i); }, {2, 0}) == tensor{0, 0, 1, 1, 0, 0});
  CHECK(result<nothing, indices<shape<2, 2>>>([](auto const&, auto const& in) { return index_along<0>(in.i) * 10 + index_along<1>(in.i); }, tensor(4)) ==
        tensor{0, 1, 10, 11});
  CHECK_THROWS_AS((result<table, indices<shape<1>>>([](auto const& m, auto const& in) { return gather(m.a, in.i); }, {3})), std::runtime_error);
}

namespace {
struct adds {
  using w_t = parameter<shape<2>>;
  BOOST_HANA_DEFINE_STRUCT(adds, (w_t, w));
  constexpr auto operator()(auto const& x, auto const& factor) const { return x * factor + w; }
};
struct stack {
  using a_t = parameter<shape<2>>;
  using blocks_t = repeat<3, adds>;
  BOOST_HANA_DEFINE_STRUCT(stack, (a_t, a), (blocks_t, blocks));
};
struct nested_block {
  using inner_t = repeat<2, adds>;
  BOOST_HANA_DEFINE_STRUCT(nested_block, (inner_t, inner));
  constexpr auto operator()(auto const& x, auto const& factor) const { return inner(x, factor); }
};
struct nested {
  using a_t = parameter<shape<2>>;
  using blocks_t = repeat<3, nested_block>;
  BOOST_HANA_DEFINE_STRUCT(nested, (a_t, a), (blocks_t, blocks));
};
}  // namespace

TEST_CASE("trace: a repeat applies its block to stacked parameters in order") {
  // x0 = (0, 1), w = (0, 1), (2, 3), (4, 5): ((x0 2 + w0) 2 + w1) 2 + w2
  CHECK(result<stack>([](auto const& m, auto const&) { return m.blocks(m.a, constant(m.a, 2)); }) == tensor{8, 23});
  // Six iterations in all, the inner ones fastest.
  tensor x{0, 1};
  for (int i = 0; i < 6; ++i) x = {2 * x[0] + 2 * i, 2 * x[1] + 2 * i + 1};
  CHECK(result<nested>([](auto const& m, auto const&) { return m.blocks(m.a, constant(m.a, 2)); }) == x);
}

namespace {

constexpr long B = 2, T = 4, H = 4, G = 2, D = 3;
using heads = shape<B, T, H, D>;
using groups = shape<B, T, G, D>;

// Attention by its definition, in f64: score(s / sqrt(D), b, h, t, k) where visible(b, t, k).
template <class Score, class Visible> tensor reference(program_data const& x, Score const& score, Visible const& visible) {
  auto at = [](std::vector<double> const& v, long heads, long b, long t, long h, long d) { return v[static_cast<std::size_t>(((b * T + t) * heads + h) * D + d)]; };
  tensor out;
  for (long b = 0; b < B; ++b)
    for (long t = 0; t < T; ++t)
      for (long h = 0; h < H; ++h) {
        long g = h < 2 ? 0 : 1;
        double total = 0, sums[D]{};
        for (long k = 0; k < T; ++k) {
          double s = 0;
          for (long d = 0; d < D; ++d) s += at(x.parameters[0], H, b, t, h, d) * at(x.parameters[1], G, b, k, g, d);
          double weight = visible(b, t, k) ? std::exp(score(s / std::sqrt(3.0), b, h, t, k)) : 0;
          total += weight;
          for (long d = 0; d < D; ++d) sums[d] += weight * at(x.parameters[2], G, b, k, g, d);
        }
        for (double s : sums) out.push_back(total == 0 ? 0 : s / total);
      }
  return out;
}

template <class Function, class Score, class Visible>
void check_attention(Function f, Score const& score, Visible const& visible) {
  graph g = trace_of<four<heads, groups, groups, shape<H, 3>>, indices<shape<B, T>>>(f);
  program_data data(g, {.low = -2, .high = 2, .integers = 2});
  tensor bias = data.parameters[3], ids = data.inputs[0];
  auto scored = [&](double s, long, long h, long t, long k) { return score(s, bias, h, t, k); };
  auto seen = [&](long b, long t, long k) { return visible(ids, b, t, k); };
  interpreter run = run_program(g, data);
  CHECK(same_values(run.output(0), reference(data, scored, seen)));
  tensor wrong = run.output(0);
  for (double& x : wrong) x *= 1.01;
  CHECK_FALSE(same_values(wrong, run.output(0)));
}

constexpr auto same_score = [](double s, tensor const&, long, long, long) { return s; };
constexpr auto all_keys = [](tensor const&, long, long, long) { return true; };

}  // namespace

TEST_CASE("trace: attention's masks") {
  check_attention([](auto const& m, auto const&) { return attend(m.a, m.b, m.c); }, same_score, all_keys);
  check_attention([](auto const& m, auto const&) { return attend(m.a, m.b, m.c, with_mask(causal)); }, same_score,
                  [](tensor const&, long, long t, long k) { return k <= t; });
  check_attention([](auto const& m, auto const&) { return attend(m.a, m.b, m.c, with_mask(causal && window<2>)); }, same_score,
                  [](tensor const&, long, long t, long k) { return k <= t && t - k < 2; });
  check_attention([](auto const& m, auto const&) { return attend(m.a, m.b, m.c, with_mask(causal || prefix<2>)); }, same_score,
                  [](tensor const&, long, long t, long k) { return k <= t || k < 2; });
  check_attention([](auto const& m, auto const&) { return attend(m.a, m.b, m.c, with_mask(prefix<1> && window<2>)); }, same_score,
                  [](tensor const&, long, long t, long k) { return k < 1 && t - k < 2; });
  check_attention([](auto const& m, auto const& in) { return attend(m.a, m.b, m.c, with_mask(same_document(in.i))); }, same_score,
                  [](tensor const& ids, long b, long t, long k) { return ids[static_cast<std::size_t>(b * T + t)] == ids[static_cast<std::size_t>(b * T + k)]; });
}

TEST_CASE("trace: attention's scores") {
  check_attention([](auto const& m, auto const&) { return attend(m.a, m.b, m.c, with_score([](auto s, auto) { return 3.f * tanh(s / 3.f); })); },
                  [](double s, tensor const&, long, long, long) { return 3 * std::tanh(s / 3); }, all_keys);
  check_attention([](auto const& m, auto const&) { return attend(m.a, m.b, m.c, with_scale(0.25)); },
                  [](double s, tensor const&, long, long, long) { return s * std::sqrt(3.0) * 0.25; }, all_keys);
  check_attention(
      [](auto const& m, auto const&) { return attend(m.a, m.b, m.c, with_score([&](auto s, auto at) { return s + m.d(at.head, at.query - at.key); })); },
      [](double s, tensor const& bias, long h, long t, long k) { return s + bias[static_cast<std::size_t>(h * 3 + std::clamp(t - k, 0L, 2L))]; }, all_keys);
}
