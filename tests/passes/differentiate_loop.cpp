#include "formwork/ops/exp.hpp"
#include "formwork/ops/rsqrt.hpp"
#include "formwork/ops/tanh.hpp"
#include "support/program_test.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

template <long C> struct dense {
  using w_t = parameter<shape<C, C>>;
  using b_t = parameter<shape<C>>;
  BOOST_HANA_DEFINE_STRUCT(dense, (w_t, w), (b_t, b));
  constexpr auto operator()(auto const& x) const { return x + tanh(matmul(x, w) + b); }
};
// Further arguments are values from outside the loop.
template <long C> struct mixing {
  using w_t = parameter<shape<C>>;
  BOOST_HANA_DEFINE_STRUCT(mixing, (w_t, w));
  constexpr auto operator()(auto const& x, auto const& same) const { return tanh(x * w + exp(same) * x); }
};
// No parameters of its own.
struct times {
  constexpr auto operator()(auto const& x, auto const& w) const { return tanh(matmul(x, w)); }
};
template <long C> struct adds_only {
  using w_t = parameter<shape<C>>;
  using u_t = parameter<shape<C>>;
  BOOST_HANA_DEFINE_STRUCT(adds_only, (w_t, w), (u_t, unused));
  constexpr auto operator()(auto const& x) const { return x + w; }
};

template <long Count, class Block, class A> struct stack {
  using a_t = parameter<A>;
  using blocks_t = repeat<Count, Block>;
  BOOST_HANA_DEFINE_STRUCT(stack, (a_t, a), (blocks_t, blocks));
};
template <class First, class Second, class A> struct stacks {
  using a_t = parameter<A>;
  BOOST_HANA_DEFINE_STRUCT(stacks, (a_t, a), (First, first), (Second, second));
};

constexpr auto through_blocks = [](auto const& m, auto const&) { return weighted_sum(m.blocks(m.a)); };

}  // namespace

TEST_CASE("differentiate: a loop of one, two and three iterations") {
  check_gradients<stack<1, dense<3>, shape<2, 3>>>(through_blocks);
  check_gradients<stack<2, dense<3>, shape<2, 3>>>(through_blocks);
  check_gradients<stack<3, dense<3>, shape<2, 3>>>(through_blocks);
}

TEST_CASE("differentiate: a loop whose first value is an input or a constant") {
  check_gradients<stack<3, dense<3>, shape<3>>, numbers<shape<2, 3>>>(
      [](auto const& m, auto const& in) { return weighted_sum(m.blocks(in.x) * m.a); });
  check_gradients<stack<3, dense<3>, shape<3>>>([](auto const& m, auto const&) {
    auto start = reshape<2, 3>(cast<dtype::f32>(iota<6>(m.a)) * 0.1);
    return weighted_sum(m.blocks(start) * m.a);
  });
}

TEST_CASE("differentiate: weights from outside the loop are shared by its iterations") {
  check_gradients<stack<1, times, shape<3, 3>>>([](auto const& m, auto const&) { return weighted_sum(m.blocks(m.a, m.a)); });
  check_gradients<stack<3, times, shape<3, 3>>, numbers<shape<2, 3>>>(
      [](auto const& m, auto const& in) { return weighted_sum(m.blocks(in.x, m.a)); });
  check_gradients<stack<3, mixing<3>, shape<3>>>([](auto const& m, auto const&) { return weighted_sum(m.blocks(m.a, m.a) * m.a); });
}

TEST_CASE("differentiate: an input that the loop's body uses") {
  check_gradients<stack<3, mixing<3>, shape<2, 3>>, numbers<shape<2, 3>>>(
      [](auto const& m, auto const& in) { return weighted_sum(m.blocks(m.a, in.x)); });
}

TEST_CASE("differentiate: gradients that are the same in every iteration, or zero") {
  check_gradients<stack<3, adds_only<3>, shape<2, 3>>>(through_blocks);
  check_gradients<stack<1, adds_only<3>, shape<2, 3>>>(through_blocks);
  check_gradients<stack<2, dense<3>, shape<2, 3>>>([](auto const& m, auto const&) { return weighted_sum(m.a * m.a); });
}

TEST_CASE("differentiate: loops one after the other") {
  check_gradients<stacks<repeat<2, dense<3>>, repeat<3, dense<3>>, shape<2, 3>>>(
      [](auto const& m, auto const&) { return weighted_sum(m.second(tanh(m.first(m.a)))); });
  check_gradients<stacks<repeat<2, dense<3>>, repeat<2, mixing<3>>, shape<2, 3>>>(
      [](auto const& m, auto const&) { return weighted_sum(m.second(m.first(m.a), m.a)); });
  // Side by side on the same value.
  check_gradients<stacks<repeat<2, dense<3>>, repeat<2, dense<3>>, shape<2, 3>>>(
      [](auto const& m, auto const&) { return weighted_sum(m.second(m.a) * m.first(m.a)); });
  // The second reads what the first returned, in its body.
  check_gradients<stacks<repeat<2, dense<3>>, repeat<3, mixing<3>>, shape<2, 3>>>(
      [](auto const& m, auto const&) { return weighted_sum(m.second(m.a, m.first(m.a))); });
}

namespace {
struct nested {
  using inner_t = repeat<2, dense<2>>;
  using w_t = parameter<shape<2>>;
  BOOST_HANA_DEFINE_STRUCT(nested, (inner_t, inner), (w_t, w));
  constexpr auto operator()(auto const& x) const { return inner(x * w) + x; }
};
}  // namespace

TEST_CASE("differentiate: a loop in a loop") { check_gradients<stack<3, nested, shape<2, 2>>>(through_blocks); }

TEST_CASE("trace: a repeat that is called twice is rejected") {
  auto twice = [](auto const& m, auto const&) { return weighted_sum(m.blocks(m.blocks(m.a))); };
  CHECK_THROWS_AS((trace_of<stack<2, dense<3>, shape<2, 3>>>(twice)), char const*);
}
