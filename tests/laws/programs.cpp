// Laws of compiled programs: fused equals unfused, derivatives are linear in the gradient that they start from,
// transposes cancel.
#include <random>

#include "formwork/nn/gpt.hpp"
#include "formwork/ops/gelu.hpp"
#include "formwork/train/training.hpp"
#include "kernels/random_program.hpp"
#include "kernels/tape_reference.hpp"
#include "support/distance.hpp"
#include "support/program_test.hpp"
#include "support/programs.hpp"
#include "support/rounding_bound.hpp"
#include "support/step_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

struct block {
  using norm_t = layer_norm<12>;
  using mlp_t = mlp<12, 24, ops::gelu>;
  BOOST_HANA_DEFINE_STRUCT(block, (norm_t, norm), (mlp_t, inner));
  constexpr auto operator()(auto const& x) const { return x + inner(norm(x)); }
};
struct classifier {
  using blocks_t = repeat<2, block>;
  using head_t = linear<12, 9>;
  BOOST_HANA_DEFINE_STRUCT(classifier, (blocks_t, blocks), (head_t, head));
  constexpr auto operator()(auto const& x) const { return head(blocks(x)); }
};
struct classified {
  using x_t = input<dtype::f32, shape<10, 12>>;
  using targets_t = input<dtype::i32, shape<10>>;
  BOOST_HANA_DEFINE_STRUCT(classified, (x_t, x), (targets_t, targets));
};
struct seeded {
  using x_t = input<dtype::f32, shape<10, 12>>;
  using targets_t = input<dtype::i32, shape<10>>;
  using seed_t = input<dtype::f32, shape<>>;
  BOOST_HANA_DEFINE_STRUCT(seeded, (x_t, x), (targets_t, targets), (seed_t, s), (seed_t, t));
};

struct loss {
  constexpr auto operator()(auto const& m, auto const& in) const { return cross_entropy(m(in.x), in.targets); }
};
using fused_source = gradients_of<loss, classifier, classified>;

// The same program with every node a kernel of its own.
template <class Source> struct cut_apart {
  static constexpr graph_buffer traced = freeze(Source::make());
  static constexpr program_buffer make() {
    fusion f = fuse(canonicalize(rematerialize(thaw(traced))), {.apart = true});
    memory_plan m = plan_memory(f);
    return freeze(f, m, lower(f, m));
  }
  static constexpr program_buffer buffer = make();
  static constexpr auto value = cut<buffer.kernel_count, buffer.instruction_count, buffer.argument_count>(buffer);
  static constexpr int kernels = buffer.kernel_count;
};

// s l + t m: the gradient of the output starts as s in one part and as t in the other.
struct two_losses {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto logits = m(in.x);
    return in.s * cross_entropy(logits, in.targets) + in.t * reshape<>(mean<>(gelu(logits)));
  }
};
using seeded_source = gradients_of<two_losses, classifier, seeded>;

struct matrices {
  using a_t = input<dtype::f32, shape<3, 21, 17>>;
  using b_t = input<dtype::f32, shape<3, 17, 10>>;
  BOOST_HANA_DEFINE_STRUCT(matrices, (a_t, a), (b_t, b));
};
struct turned_product {
  constexpr auto operator()(nothing, auto const& in) const {
    auto turn = [](auto const& x) { return transpose<0, 2, 1>(x); };
    return turn(matmul(turn(gelu(in.b)), turn(in.a)));
  }
};
struct turned {
  static constexpr graph make() { return simplified(trace<turned_product, nothing, matrices>()); }
};

// Outputs of a program by the kernels that a fusion gives, run as data.
std::vector<std::vector<double>> run_kernels(graph const& g, program_data const& data, fuse_options o) {
  fusion f = fuse(canonicalize(rematerialize(g)), o);
  memory_plan m = plan_memory(f);
  auto p = std::make_unique<program_buffer>(freeze(f, m, lower(f, m)));
  kernel_machine run(*p, m, g);
  for (std::size_t k = 0; k < data.inputs.size(); ++k) run.set_input(static_cast<int>(k), data.inputs[k]);
  for (std::size_t k = 0; k < data.parameters.size(); ++k) run.set_parameter(static_cast<int>(k), data.parameters[k]);
  run.run(5, 3);
  std::vector<std::vector<double>> all;
  for (std::size_t k = 0; k < g.outputs.size(); ++k) all.push_back(run.output(k));
  return all;
}

// The gradients of seeded_source for seeds s and t.
std::vector<float> gradients(float s, float t) {
  using program = compiled<seeded_source>;
  using run = step<program, cpu_device>;
  constexpr std::size_t n = static_cast<std::size_t>(program::value.parameter_elements);
  auto parameters = aligned_array<float>(n), found = aligned_array<float>(n);
  auto workspace = aligned_array<std::byte>(run::workspace_bytes);
  std::mt19937 random(4);
  std::normal_distribution<float> normal(0, 0.4f);
  for (std::size_t i = 0; i < n; ++i) parameters[i] = normal(random);
  float x[120], value = 0;
  std::int32_t targets[10];
  for (float& e : x) e = normal(random);
  for (int i = 0; i < 10; ++i) targets[i] = i * 7 % 9;
  std::fill_n(found.get(), n, 0.f);
  void *inputs[] = {x, targets, &s, &t}, *outputs[] = {&value};
  run::run({workspace.get(), reinterpret_cast<std::byte*>(parameters.get()), reinterpret_cast<std::byte*>(found.get()), inputs, outputs, 5, 3});
  return {found.get(), found.get() + n};
}

float largest(std::vector<float> const& x) {
  float m = 0;
  for (float e : x) m = std::max(m, std::abs(e));
  return m;
}
std::vector<float> combined(float a, std::vector<float> const& x, float b, std::vector<float> const& y) {
  std::vector<float> r;
  for (std::size_t i = 0; i < x.size(); ++i) r.push_back(a * x[i] + b * y[i]);
  return r;
}

}  // namespace

TEST_CASE("laws: a compiled step and the same with every node apart give the values of the program") {
  static_assert(cut_apart<fused_source>::kernels > 3 * compiled<fused_source>::kernels);
  for (auto const& c : compare_step<fused_source>({.integer_limit = 9, .bound = 4})) {
    CAPTURE(c.name, c.distance);
    CHECK(c.distance <= 1);
    CHECK(c.teeth);
  }
  for (auto const& c : compare_step<fused_source, cpu_device, cut_apart<fused_source>>({.integer_limit = 9, .bound = 4})) {
    CAPTURE(c.name, c.distance);
    CHECK(c.distance <= 1);
    CHECK(c.teeth);
  }
}

namespace {

struct tally { long outputs = 0, blunt = 0; };

// Fused and apart, both are what the program says, and so is their difference.
void check_fused_and_apart(graph const& g, program_data const& data, tally& t) {
  auto bounds = rounding_bounds(g, [&](interpreter& run) {
    load(run, data);
    run.set_random(5, 3);
  });
  std::vector<std::vector<double>> fused, apart;
  REQUIRE_NOTHROW(fused = run_kernels(g, data, {}));
  REQUIRE_NOTHROW(apart = run_kernels(g, data, {.apart = true}));
  for (std::size_t k = 0; k < bounds.size(); ++k) {
    CAPTURE(g.outputs[k].name.view());
    CHECK(bounds[k].distance(apart[k]) <= 1);
    CHECK((bounded_output{apart[k], bounds[k].allowed, bounds[k].row}.distance(fused[k])) <= 1);
    if (bounds[k].size() == 0) continue;
    ++t.outputs;
    t.blunt += !bounds[k].has_teeth();
  }
}

struct small_gpt : gpt_config {
  static constexpr int vocabulary = 19, context = 8, layers = 2, heads = 2, width = 12;
  static constexpr double dropout = 0.1;
};

}  // namespace

TEST_CASE("laws: a GPT's step fused and with every node apart agree within rounding") {
  graph g = training_source<gpt<small_gpt>, 2, 8>::make();
  tally t;
  check_fused_and_apart(g, program_data(g, {-0.5, 0.5, 19}), t);
  CHECK(t.outputs == static_cast<long>(g.outputs.size()));
  CHECK(t.blunt == 0);
}

TEST_CASE("laws: random programs fused and with every node apart agree within rounding") {
  tally t;
  for (unsigned seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    graph g = random_program({.seed = seed, .nodes = 12, .loops = 2}).make();
    graph d = simplified(differentiated(simplified(g, stop_gradients::keep), {.inputs = true}));
    check_fused_and_apart(d, program_data(d, {-0.7, 0.7, 50, seed}), t);
  }
  CHECK(t.outputs > 1000);
  CHECK(t.blunt * 50 <= t.outputs);
}

TEST_CASE("laws: derivatives are linear in the gradient that they start from") {
  auto first = gradients(1, 0), second = gradients(0, 1);
  REQUIRE(largest(first) > 1e-2f);
  REQUIRE(largest(second) > 1e-3f);
  // Powers of two and signs change no bit of a mantissa.
  CHECK(gradients(4, 0) == combined(4, first, 0, first));
  CHECK(gradients(0, -0.125f) == combined(0, first, -0.125f, second));
  CHECK(gradients(0, 0) == combined(0, first, 0, second));
  // Any sum, with the errors of rounding of both ways: 2 sqrt(100) units for some hundred operations, as in the golden test.
  const double tolerance = 20 * 0x1p-24;
  auto both = gradients(0.75f, -1.3f), sum = combined(0.75f, first, -1.3f, second);
  CHECK(distance(both, sum) <= tolerance);
  CHECK(distance(combined(1.01f, both, 0, both), sum) > tolerance);
  CHECK(distance(combined(1, both, 0.01f, second), sum) > tolerance);
  CHECK(distance(first, sum) > tolerance);
}

TEST_CASE("laws: transposes cancel") {
  // Written twice they are gone.
  graph g = simplified(trace_of<nothing, matrices>([](auto const&, auto const& in) { return transpose<2, 0, 1>(transpose<1, 2, 0>(in.a)); }));
  CHECK(g[g.outputs[0].node].what == kind::input);
  // (b' a')' is a b.
  for (auto const& c : compare_step<turned>({.bound = 4})) {
    CAPTURE(c.distance);
    CHECK(c.distance <= 1);
    CHECK(c.teeth);
  }
  graph a = turned::make(), b = simplified(trace_of<nothing, matrices>([](auto const&, auto const& in) { return matmul(in.a, gelu(in.b)); }));
  check_same_outputs(a, b, program_data(a));
}
