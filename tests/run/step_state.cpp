// States whose rows are replaced: written in their own memory, and nothing else of it.
#include "formwork/backend/cpu/cpu.hpp"
#include "formwork/nn/gpt.hpp"
#include "formwork/nn/language_model.hpp"
#include "formwork/passes/cost.hpp"
#include "formwork/passes/simplify.hpp"
#include "formwork/run/step.hpp"
#include "formwork/trace/state.hpp"
#include "support/catch.hpp"
#include "support/program_test.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

constexpr long R = 1000, C = 37;
struct rows_and_places {
  using x_t = input<dtype::f32, shape<4, C>>;
  using i_t = input<dtype::i32, shape<4>>;
  BOOST_HANA_DEFINE_STRUCT(rows_and_places, (x_t, x), (i_t, i));
};
// 2 x in four rows of a state of doubles; the sum of the state as it is afterwards.
struct replaced {
  constexpr auto operator()(auto const&, auto const& in) const {
    auto before = state<dtype::f64, shape<R, C>>(in.x, "kept");
    auto after = replace_rows(before, in.i, cast<dtype::f64>(in.x * 2.f));
    keep_state(after, "kept");
    return sum<>(after);
  }
};
// The state is read before it is replaced, but who says that nobody reads it later?
struct read_beside {
  constexpr auto operator()(auto const&, auto const& in) const {
    auto before = state<dtype::f32, shape<R, C>>(in.x, "kept");
    keep_state(replace_rows(before, in.i, in.x), "kept");
    return sum<>(before);
  }
};
struct not_kept {
  constexpr auto operator()(auto const&, auto const& in) const {
    return sum<>(replace_rows(state<dtype::f32, shape<R, C>>(in.x, "kept"), in.i, in.x));
  }
};
struct no_state {
  constexpr auto operator()(auto const&, auto const& in) const { return sum<>(replace_rows(in.x * 2.f, in.i, in.x)); }
};
template <class Function> struct program {
  static constexpr graph make() { return simplified(trace<Function, nothing, rows_and_places>()); }
};
template <class Function> void plan() {
  fusion f = fuse(canonicalize(rematerialize(program<Function>::make())));
  lower(f, plan_memory(f));
}

}  // namespace

TEST_CASE("step: rows of a state are replaced in place, and no other") {
  using run = step<compiled<program<replaced>>, cpu_device>;
  std::vector<double> kept(R * C);
  for (std::size_t k = 0; k < kept.size(); ++k) kept[k] = static_cast<double>(k % 91) / 7;
  std::vector<double> expected = kept, elsewhere(kept.size(), -3);
  std::vector<float> x(4 * C);
  for (std::size_t k = 0; k < x.size(); ++k) x[k] = static_cast<float>(k) - 50;
  const std::int32_t places[] = {R - 1, -1, 3, R};  // two of them are not there
  for (long c = 0; c < C; ++c) {
    expected[static_cast<std::size_t>((R - 1) * C + c)] = 2 * x[static_cast<std::size_t>(c)];
    expected[static_cast<std::size_t>(3 * C + c)] = 2 * x[static_cast<std::size_t>(2 * C + c)];
  }
  double total = 0, want = 0;
  for (double v : expected) want += v;
  void* inputs[] = {x.data(), const_cast<std::int32_t*>(places), kept.data()};
  void* outputs[] = {elsewhere.data(), &total};
  arena workspace(run::workspace_bytes + 64);
  run::run({.workspace = workspace.data(), .inputs = inputs, .outputs = outputs});
  CHECK(kept == expected);
  CHECK(elsewhere == std::vector<double>(kept.size(), -3));  // the state's own memory, whatever is given for the output
  CHECK(std::abs(total - want) <= 1e-9 * want);
}

TEST_CASE("step: a replaced row costs itself, not the state") {
  fusion f = fuse(canonicalize(rematerialize(simplified(trace<decoded_logits_of, gpt<gpt2_124m_config>, language_model_step<1>>()))));
  const program_cost c = cost(f, plan_memory(f));
  // All parameters but the positions, of which one row is read, and the cache, which attention reads.
  const long parameters = 4 * (124'439'808L - 1024 * 768), cache = 2 * 12 * 1024 * 768 * 4L;
  CAPTURE(c.bytes_moved, parameters, cache);
  CHECK(c.bytes_moved > parameters + cache);
  CHECK(c.bytes_moved < parameters + cache + cache / 20);
}

TEST_CASE("step: what a replaced state asks for is said") {
  CHECK_NOTHROW(plan<replaced>());
  CHECK_THROWS_AS(plan<read_beside>(), const char*);
  CHECK_THROWS_AS(plan<not_kept>(), const char*);
  CHECK_THROWS_AS(plan<no_state>(), const char*);
}
