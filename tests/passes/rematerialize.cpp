// What rematerialize decides: which values of a forward loop are kept for its backward loop, and which are computed
// again there.
#include "formwork/passes/rematerialize.hpp"

#include "formwork/nn/normalization.hpp"
#include "formwork/ops/gelu.hpp"
#include "formwork/ops/recompute.hpp"
#include "formwork/ops/tanh.hpp"
#include "formwork/passes/canonicalize.hpp"
#include "formwork/passes/fuse.hpp"
#include "formwork/passes/plan.hpp"
#include "support/program_test.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

template <class Body> struct block {
  using w_t = parameter<shape<8, 8>>;
  BOOST_HANA_DEFINE_STRUCT(block, (w_t, w));
  constexpr auto operator()(auto const& x) const { return Body{}(x, w); }
};
template <class Body> struct stack {
  using blocks_t = repeat<3, block<Body>>;
  BOOST_HANA_DEFINE_STRUCT(stack, (blocks_t, blocks));
};

template <class Body> graph program_of(Body) {
  return simplified(differentiated(simplified(trace_of<stack<Body>, numbers<shape<5, 8>>>([](auto const& m, auto const& in) { return weighted_sum(m.blocks(in.x)); }), stop_gradients::keep)));
}

using names = std::vector<std::string>;
std::string name_of_node(node const& n) { return std::string(n.what == kind::map ? n.op->name : name_of(n.what)); }

// Names of what the forward loop leaves for every iteration, besides the loop's variable.
names kept(graph const& g) {
  fusion f = fuse(canonicalize(g));
  memory_plan m = plan_memory(f);
  names all;
  for (int i = 0; i < f.g.size(); ++i) {
    bool next = false;
    for (node const& n : f.g.nodes) next = next || (n.what == kind::carry && behind_reshapes(f.g, n.in[1]) == i);
    if (!next && f.owner[static_cast<std::size_t>(i)] >= 0 && m.at[static_cast<std::size_t>(i)].where == region::workspace && m.at[static_cast<std::size_t>(i)].moves == motion::stacked)
      all.push_back(name_of_node(f.g[i]));
  }
  return all;
}
// How often an operation stands in the backward loop.
int again(graph const& g, std::string const& name) {
  int n = 0;
  std::vector<char> live = live_nodes(g);
  for (int i = 0; i < g.size(); ++i)
    n += live[static_cast<std::size_t>(i)] && g.scopes[static_cast<std::size_t>(g[i].scope)].reversed && name_of_node(g[i]) == name;
  return n;
}

// The same with a hold on what is called `middle`.
template <class Hold> constexpr auto tanh_block = [](auto const& x, auto const& w) {
  auto middle = Hold{}(tanh(matmul(x, w)));
  return x + middle * middle;
};
template <class Hold> constexpr auto cheap_block = [](auto const& x, auto const& w) {
  auto middle = Hold{}(tanh(matmul(x, w)) * 2 + x);
  return x + square(middle);
};
struct freely { constexpr auto operator()(auto const& x) const { return x; } };
struct keeping { constexpr auto operator()(auto const& x) const { return keep(x); } };
struct again_later { constexpr auto operator()(auto const& x) const { return recompute(x); } };

}  // namespace

TEST_CASE("rematerialize: the end of a product's epilogue is kept, what is cheap over it is computed again") {
  graph g = program_of(tanh_block<freely>), r = rematerialize(g);
  CHECK(kept(r) == names{"tanh"});
  CHECK(again(r, "tanh") == 0);
  CHECK(again(r, "contract") == 2);  // the two of the backward pass

  graph cheap = rematerialize(program_of(cheap_block<freely>));
  CHECK(kept(cheap) == names{"tanh"});
  CHECK(again(cheap, "tanh") == 0);
  CHECK(again(cheap, "add") > again(r, "add"));
}

TEST_CASE("rematerialize: keep(x) stores what would be computed again") {
  graph free = rematerialize(program_of(cheap_block<freely>)), held = rematerialize(program_of(cheap_block<keeping>));
  REQUIRE(kept(free) == names{"tanh"});
  CHECK(kept(held) == names{"tanh", "add"});
  CHECK(again(held, "add") == again(free, "add") - 1);
}

TEST_CASE("rematerialize: recompute(x) computes again what would be stored") {
  graph free = rematerialize(program_of(tanh_block<freely>)), held = rematerialize(program_of(tanh_block<again_later>));
  REQUIRE(kept(free) == names{"tanh"});
  // The loop's variable is enough.
  CHECK(kept(held) == names{});
  CHECK(again(held, "tanh") == 1);
  CHECK(again(held, "contract") == again(free, "contract") + 1);
}

TEST_CASE("rematerialize: pins leave no trace in the program but their choice") {
  graph free = rematerialize(program_of(tanh_block<freely>)), held = rematerialize(program_of(tanh_block<keeping>));
  CHECK(kept(held) == kept(free));
  for (graph const& g : {rematerialize(program_of(tanh_block<again_later>)), held})
    for (node const& n : g.nodes) CHECK_FALSE(formwork::detail::is_pin(n));
}

TEST_CASE("rematerialize: a layer norm keeps its statistics, one value a row, not what it normalizes") {
  graph r = rematerialize(program_of([](auto const& x, auto const& w) { return x + tanh(matmul(standardize(x), w)); }));
  fusion f = fuse(canonicalize(r));
  memory_plan m = plan_memory(f);
  long rows = 0, whole = 0;
  for (int i = 0; i < f.g.size(); ++i) {
    place const& p = m.at[static_cast<std::size_t>(i)];
    if (f.owner[static_cast<std::size_t>(i)] < 0 || p.where != region::workspace || p.moves != motion::stacked) continue;
    rows += f.g[i].shape == dims{5, 1};
    whole += f.g[i].shape == dims{5, 8};
  }
  CHECK(rows == 2);   // mean and 1 / deviation
  CHECK(whole == 2);  // the loop's variable and tanh; the product's operand is normalized once more
}

TEST_CASE("rematerialize: every choice gives the same values") {
  for (graph const& g : {program_of(tanh_block<freely>), program_of(cheap_block<keeping>), program_of(tanh_block<again_later>)}) {
    program_data data(g);
    check_same_outputs(g, rematerialize(g), data);
  }
}
