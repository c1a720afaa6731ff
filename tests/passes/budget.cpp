// rematerialize for a budget: the workspace fits, loss and gradients keep every bit, and the user's choices hold.
#include "support/catch.hpp"

#include <cstring>
#include <random>
#include <string>

#include "formwork/ops/gelu_tanh.hpp"
#include "formwork/ops/keep.hpp"
#include "formwork/ops/recompute.hpp"
#include "formwork/ops/rsqrt.hpp"
#include "formwork/passes/describe_fusion.hpp"
#include "formwork/trace/attend.hpp"
#include "formwork/trace/loop.hpp"
#include "support/passes.hpp"
#include "support/step_check.hpp"

namespace {

using namespace formwork;
using testing::differentiated, testing::simplified;

template <long C> constexpr auto normalized(auto const& x) {
  auto m = x - mean<-1>(x);
  return m * rsqrt(mean<-1>(m * m) + 1e-5f);
}

enum class pins { none, keep, recompute, as_keep };  // as_keep: the formula of keep, without it

template <pins Pin> struct block {
  static constexpr long width = 16;
  using qkv_t = parameter<shape<width, 3 * width>>;
  using up_t = parameter<shape<width, 4 * width>>;
  using down_t = parameter<shape<4 * width, width>>;
  BOOST_HANA_DEFINE_STRUCT(block, (qkv_t, qkv), (up_t, up), (down_t, down));
  constexpr auto operator()(auto const& x) const {
    auto [q, k, v] = split<-1, 3>(matmul(normalized<width>(x), qkv));
    auto heads = [](auto const& t) { return reshape<2, 8, 2, 8>(t); };
    auto h = x + reshape<2, 8, width>(attend(heads(q), heads(k), heads(v), with_mask(causal), with_dropout(0.1)));
    auto u = matmul(normalized<width>(h), up);
    auto g = gelu_tanh(u);
    if constexpr (Pin == pins::recompute) return h + matmul(recompute(g), down);
    else if constexpr (Pin == pins::keep) return h + matmul(g, down) * keep(2.f * h);
    else if constexpr (Pin == pins::as_keep) return h + matmul(g, down) * (2.f * h);
    else return h + matmul(select(random_like(g) >= 0.1f, g, 0), down);
  }
};

template <pins Pin> struct model {
  using blocks_t = repeat<4, block<Pin>>;
  BOOST_HANA_DEFINE_STRUCT(model<Pin>, (blocks_t, blocks));
};
struct inputs {
  using x_t = input<dtype::f32, shape<2, 8, 16>>;
  BOOST_HANA_DEFINE_STRUCT(inputs, (x_t, x));
};
struct loss {
  constexpr auto operator()(auto const& m, auto const& in) const { auto y = m.blocks(in.x); return mean<>(y * y); }
};

template <pins Pin = pins::none> constexpr graph program() {
  return simplified(differentiated(simplified(trace<loss, model<Pin>, inputs>(), stop_gradients::keep)));
}
struct unlimited { static constexpr graph make() { return program(); } };
struct middle : unlimited { static constexpr long workspace_budget = 70 * 1024; };
struct tight : unlimited { static constexpr long workspace_budget = 36 * 1024; };

memory_plan plan_of(graph const& g) { return plan_memory(fuse(canonicalize(g))); }

template <class Source> struct outcome {
  static constexpr long parameters = 4 * 16 * (3 + 4 + 4) * 16;
  using run = step<compiled<Source>, cpu_device>;
  std::unique_ptr<std::byte[], void (*)(void*)> workspace = testing::aligned_array<std::byte>(run::workspace_bytes);
  std::unique_ptr<float[], void (*)(void*)> gradients = testing::aligned_array<float>(3 * 4096);
  float loss = -1;

  outcome() {
    auto weights = testing::aligned_array<float>(3 * 4096);
    std::vector<float> x(2 * 8 * 16);
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, 0.3f);
    for (long i = 0; i < 3 * 4096; ++i) weights[static_cast<std::size_t>(i)] = normal(random);
    for (float& v : x) v = normal(random);
    void* in[] = {x.data()};
    void* out[] = {&loss};
    run::run({workspace.get(), reinterpret_cast<std::byte*>(weights.get()), reinterpret_cast<std::byte*>(gradients.get()), in, out, 5, 3});
  }
};

template <class A, class B> bool same_bits(A const& a, B const& b) {
  return std::memcmp(&a.loss, &b.loss, sizeof(float)) == 0 && std::memcmp(a.gradients.get(), b.gradients.get(), sizeof(float) * A::parameters) == 0;
}

}  // namespace

TEST_CASE("budget: loss and gradients are the same bits for every budget") {
  outcome<unlimited> all;
  outcome<middle> some;
  outcome<tight> least;
  REQUIRE(std::isfinite(all.loss));
  double norm = 0;
  for (long i = 0; i < all.parameters; ++i) norm += std::abs(all.gradients[static_cast<std::size_t>(i)]);
  REQUIRE(norm > 1e-3);
  CHECK(same_bits(all, some));
  CHECK(same_bits(all, least));
  CHECK(compiled<middle>::choices.count > 0);
  CHECK(compiled<tight>::choices.count > compiled<middle>::choices.count);
  CHECK(compiled<middle>::value.workspace_bytes <= middle::workspace_budget);
  CHECK(compiled<tight>::value.workspace_bytes <= tight::workspace_budget);
  least.gradients[5] = -least.gradients[5];
  CHECK_FALSE(same_bits(all, least));
}

TEST_CASE("budget: the workspace fits, and shrinks with the budget while operations grow") {
  graph g = program();
  long most = plan_of(rematerialize(g)).workspace_bytes, least = smallest_workspace(g);
  CHECK(least * 2 < most);
  CHECK(plan_of(rematerialize(g, {.budget_bytes = most})).workspace_bytes == most);
  long last = most;
  for (long budget = most; budget > least; budget -= (most - least) / 12) {
    auto c = search_choices(g, {.budget_bytes = budget});
    long planned = plan_of(rematerialize(g, c)).workspace_bytes;
    CHECK(planned == c.workspace_bytes);
    CHECK(planned <= budget);
    CHECK(planned <= last);
    CHECK((budget == most) == (c.flops_added == 0));
    last = planned;
  }
  CHECK(plan_of(rematerialize(g, {.budget_bytes = least})).workspace_bytes <= least);
}

TEST_CASE("budget: what cannot be met says where to find the smallest budget") {
  graph g = program();
  std::string text;
  try {
    rematerialize(g, {.budget_bytes = smallest_workspace(g) - 1});
  } catch (char const* e) { text = e; }
  CHECK(text.find("smallest_workspace") != std::string::npos);
}

namespace {
// What the backward loop reads from the forward loop's kernels: nodes stored for every iteration.
template <class Match> int stacked(graph const& g, Match const& match) {
  fusion f = fuse(canonicalize(g));
  memory_plan m = plan_memory(f);
  int n = 0;
  for (int i = 0; i < f.g.size(); ++i)
    n += m.at[static_cast<std::size_t>(i)].where == region::workspace && m.at[static_cast<std::size_t>(i)].moves == motion::stacked &&
         f.owner[static_cast<std::size_t>(i)] >= 0 && match(f.g[i]);
  return n;
}
}  // namespace

TEST_CASE("budget: recompute(x) and keep(x) decide whatever the budget is") {
  auto is_gelu = [](node const& n) { return n.op == op_of<ops::gelu_tanh>(); };
  auto is_product = [](node const& n) { return n.what == kind::map && n.op == op_of<ops::multiply>() && n.shape == dims{2, 8, 16}; };
  CHECK(stacked(rematerialize(program()), is_gelu) == 1);
  graph again = program<pins::recompute>(), kept = program<pins::keep>();
  CHECK(stacked(rematerialize(again), is_gelu) == 0);
  CHECK(stacked(rematerialize(kept), is_gelu) == 1);
  CHECK(stacked(rematerialize(program<pins::as_keep>()), is_product) == 0);
  CHECK(stacked(rematerialize(kept), is_product) == 1);
  CHECK(stacked(rematerialize(kept, {.budget_bytes = smallest_workspace(kept)}), is_product) == 1);
  CHECK(stacked(rematerialize(kept, {.budget_bytes = smallest_workspace(kept)}), is_gelu) == 0);
}
