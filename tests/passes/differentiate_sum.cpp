// Loops over parts: their derivatives stand in the loop itself.
#include "formwork/nn/loss.hpp"
#include "formwork/ops/exp.hpp"
#include "formwork/ops/tanh.hpp"
#include "kernels/random_program.hpp"
#include "support/program_test.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

struct rows_and_targets {
  using x_t = input<dtype::f32, shape<6, 3>>;
  using i_t = input<dtype::i32, shape<6>>;
  BOOST_HANA_DEFINE_STRUCT(rows_and_targets, (x_t, x), (i_t, i));
};

struct sum_in_a_block {
  constexpr auto operator()(auto const& x) const { return x + sum_over_parts<2>([](auto const& y) { return reshape<>(sum<>(tanh(y))); }, x); }
};

long loops(graph const& g) {
  long n = 0;
  for (auto const& s : g.scopes) n += s.what == scope_kind::loop;
  return n;
}

// A sum over parts, and the same without a loop.
constexpr auto in_parts = [](auto const& m, auto const& in) {
  return sum_over_parts<3>([&](auto const& x) { return reshape<>(weighted_sum(tanh(matmul(x, m.a) + m.b))); }, in.x);
};

struct used_twice {
  constexpr auto operator()(auto const& m, auto const&) const {
    auto s = sum_over_parts<2>([](auto const& x) { return reshape<>(sum<>(tanh(x))); }, m.a);
    return s * 2 + s * s;
  }
};

// A loop that adds up what depends on a parameter, but not the loss on it. While the program compiles, a pass that reads
// beyond its tables is an error.
constexpr graph sum_beside_the_loss() { return simplify(random_program({.seed = 7, .nodes = 4}).make(), stop_gradients::keep); }
static_assert(sum_beside_the_loss().scopes.size() == 2);
static_assert(differentiate(sum_beside_the_loss(), {.inputs = true}).size() > sum_beside_the_loss().size());

}  // namespace

TEST_CASE("sum_over_parts: a sum that is used twice") { check_gradients<one<shape<6, 3>>>(used_twice{}); }
TEST_CASE("sum_over_parts: gradients of operands in parts and of what is the same in every part") {
  check_gradients<two<shape<3, 5>, shape<5>>, numbers<shape<6, 3>>>(in_parts);
  // The sum is a factor of what follows: its adjoint is not known before the loop.
  check_gradients<two<shape<3, 5>, shape<5>>, numbers<shape<6, 3>>>([](auto const& m, auto const& in) { return exp(in_parts(m, in) * 0.1) + sum<>(m.b); });
  // What does not depend on the part.
  check_gradients<two<shape<3, 5>, shape<5>>, numbers<shape<6, 3>>>([](auto const& m, auto const& in) {
    return sum_over_parts<2>([&](auto const& x) { return reshape<>(weighted_sum(x)) + reshape<>(weighted_sum(m.b)); }, in.x) * 2 + reshape<>(sum<>(m.a));
  });
  // Several operands in parts, one of them twice, and views of them.
  check_gradients<two<shape<6, 3>, shape<3, 6>>>([](auto const& m, auto const&) {
    return sum_over_parts<2>([&](auto const& x, auto const& y, auto const& z) { return reshape<>(weighted_sum(x * y + tanh(z))); }, m.a,
                             matrix_transpose(m.b), m.a);
  });
}

TEST_CASE("sum_over_parts: one loop, forward and backward") {
  graph g = trace_of<two<shape<3, 5>, shape<5>>, numbers<shape<6, 3>>>(in_parts);
  CHECK(loops(g) == 1);
  CHECK(loops(differentiated(g, {.inputs = true})) == 1);
}

TEST_CASE("sum_over_parts: a loop that stands in another one cannot be differentiated") {
  CHECK_THROWS_AS(([] {
                    graph h;
                    one<shape<4>> m;
                    formwork::detail::bind(h, m, {});
                    repeat<2, sum_in_a_block> loop;
                    loop.scope = h.begin_loop(2);
                    h.end_scope();
                    auto y = loop(m.a);
                    h.outputs.push_back({{}, role::value, 0, reshape<>(sum<>(y)).id});
                    differentiated(h);
                  }()),
                  char const*);
}

TEST_CASE("linear_cross_entropy: loss and gradients of the plain head, by f64 and finite differences") {
  auto plain = [](auto const& m, auto const& in) { return cross_entropy(matmul(in.x, m.a) + m.b, in.i); };
  auto parts = [](auto const& m, auto const& in) {
    return linear_cross_entropy<4>(in.x, [&](auto const& x) { return matmul(x, m.a) + m.b; }, in.i);
  };
  using model = two<shape<3, 5>, shape<5>>;
  check_gradients<model, rows_and_targets>(parts, {.integers = 5});
  graph a = trace_of<model, rows_and_targets>(plain), b = trace_of<model, rows_and_targets>(parts);
  CHECK(loops(a) == 0);
  CHECK(loops(b) == 1);
  check_same_outputs(differentiated(a, {.inputs = true}), differentiated(b, {.inputs = true}), program_data(a, {.integers = 5}));
}
