// Training runs of a small model without attention: what is known before, accumulation, clipping, evaluation,
// repeatability, bad input.
#include "formwork/train/training_step.hpp"

#include <limits>

#include "formwork/backend/cpu/cpu.hpp"
#include "formwork/nn/embedding.hpp"
#include "formwork/nn/linear.hpp"
#include "formwork/nn/loss.hpp"
#include "formwork/ops/tanh.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/optim/sgd.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/distance.hpp"
#include "support/threads.hpp"

using namespace formwork;
using formwork::testing::allocations, formwork::testing::distance, formwork::testing::thread_guard;

namespace {

template <int Percent> struct layer {
  using linear_type = linear<24, 24>;
  BOOST_HANA_DEFINE_STRUCT(layer, (linear_type, inner));
  template <typed_value X, class Mode> constexpr auto operator()(X const& x, Mode m) const {
    return x + dropout(tanh(inner(x)), Percent / 100.0, m);
  }
};

template <int Percent = 0> struct small_model {
  static constexpr long vocabulary = 19, context = 5;
  using embedding_type = embedding<vocabulary, 24>;
  using layers_type = repeat<3, layer<Percent>>;
  using head_type = linear<24, vocabulary>;
  BOOST_HANA_DEFINE_STRUCT(small_model, (embedding_type, tokens), (layers_type, layers), (head_type, head));
  template <class Tokens, class Targets, class Mode>
  constexpr auto loss(Tokens const& in, Targets const& targets, Mode m) const {
    return cross_entropy(head(layers(tokens(in), m)), targets);
  }
};

using model = small_model<>;
struct fast : sgd_config {
  static constexpr double momentum = 0;
};
using whole = training<model, adamw, batch<6>, cpu_device>;
using gathered = training<model, adamw, batch<2>, accumulate<3>, cpu_device>;
using dropping = training<small_model<25>, sgd_with<fast>, batch<6>, cpu_device>;

constexpr long weights = 19 * 24 + 3 * (24 * 24 + 24) + 24 * 19 + 19;
static_assert(parameter_count<model> == weights);
static_assert(compute_optimal_tokens<model> == 20 * weights);
static_assert(flops_per_token<whole> == 6.0 * weights);  // no attention
static_assert(whole::tokens == 30 && gathered::tokens == 30 && gathered::pass_tokens == 10);
// Decaying and other parameters have a row of the arena each; AdamW keeps two states.
static_assert(arena_map_of<whole>.workspace == 4 * 2 * 4096 * sizeof(float));
static_assert(arena_map_of<gathered>.workspace == 5 * 2 * 4096 * sizeof(float));
static_assert(arena_bytes<whole> > static_cast<long long>(arena_map_of<whole>.workspace));
static_assert(kernels_per_step<gathered> ==
              3 * (kernels_per_step<whole> - optimizer_step<adamw, cpu_device, 8192, 4096>::launches) + 2 +
                  optimizer_step<adamw, cpu_device, 8192, 4096>::launches);

constexpr auto const& entries = training_step<whole>::entries;
static_assert(entries.size() == 1 + 3 * 2 + 2);
static_assert(entries.parameters.size() == 1 + 2 + 2);  // what the compiler holds does not grow with the depth
static_assert(stacked_parameter{.pattern = name_text("a.*.b.*.c"), .copies = 24, .count = {2, 12}, .loops = 2}.name(23).view() == "a.1.b.11.c");
static_assert(entries[0].name.view() == "tokens.weight" && entries[0].offset == 0 && entries[0].decays);
static_assert(entries[2].name.view() == "layers.1.inner.weight" &&
              entries[2].offset == entries[1].offset + 576);
static_assert(entries[5].name.view() == "layers.1.inner.bias" && entries[5].offset == 4096 + 24 &&
              !entries[5].decays);

struct data {
  std::vector<std::int32_t> tokens, targets;
  explicit data(unsigned seed, long count = 30) {
    for (long i = 0; i < count; ++i) {
      tokens.push_back(static_cast<std::int32_t>((i * i + static_cast<long>(seed)) % 19));
      targets.push_back(static_cast<std::int32_t>((i * 3 + static_cast<long>(seed) * 5) % 19));
    }
  }
};

template <class Step> std::vector<float> copy_of(Step& s) {
  return {s.parameters().begin(), s.parameters().end()};
}

std::string message_of(auto const& call) {
  try {
    call();
  } catch (std::invalid_argument const& e) {
    return e.what();
  }
  return {};
}

}  // namespace

TEST_CASE("training step: parameters start by their number, whatever the layout") {
  training_step<whole> a(5), b(5), c(6);
  CHECK(copy_of(a) == copy_of(b));
  CHECK(copy_of(a) != copy_of(c));
  CHECK(a.steps() == 0);
  std::size_t covered = 0;
  for (auto const& e : entries) {
    covered += static_cast<std::size_t>(e.elements);
    for (long i = 0; i < e.elements; ++i) {
      const float expected = e.start == initial::zeros
                                 ? 0.f
                                 : 0.02f * philox::normal(5, initial_stream(e.parameter),
                                                          static_cast<std::uint64_t>(e.first + i));
      REQUIRE(a.parameters()[static_cast<std::size_t>(e.offset + i)] == expected);
    }
  }
  CHECK(covered == weights);
  CHECK(a.parameters()[static_cast<std::size_t>(entries[1].offset)] !=
        a.parameters()[static_cast<std::size_t>(entries[2].offset)]);
  for (float s : a.state(0)) REQUIRE(s == 0);
  for (float s : a.state(1)) REQUIRE(s == 0);
  for (float g : a.gradient_values()) REQUIRE(g == 0);
}

TEST_CASE("training step: micro-batches give the gradients of the whole batch") {
  training_step<whole> a(1);
  training_step<gathered> b(1);
  data d(3);
  const float x = a.gradients(d.tokens, d.targets), y = b.gradients(d.tokens, d.targets);
  // Sums of 30 tokens in another order.
  CHECK(std::abs(x - y) <= 30 * 0x1p-24 * x);
  CHECK(distance(a.gradient_values(), b.gradient_values()) <= 30 * 0x1p-24);
  CHECK(a.update(1e-2f).gradient_norm == Approx(b.update(1e-2f).gradient_norm).epsilon(30 * 0x1p-24));
  // The third pass counts.
  auto last = d;
  last.targets.back() = (last.targets.back() + 1) % 19;
  b.gradients(last.tokens, last.targets);
  training_step<gathered> c(1);
  c.gradients(last.tokens, last.targets);
  CHECK(distance(a.gradient_values(), c.gradient_values()) > 1e-3);
}

TEST_CASE("training step: clipping scales the gradients to the given norm") {
  training_step<dropping> a(1), b(1);
  data d(1);
  a.gradients(d.tokens, d.targets);
  b.gradients(d.tokens, d.targets);
  const auto before = copy_of(a);
  double norm = 0;
  for (float g : a.gradient_values()) norm += static_cast<double>(g) * g;
  norm = std::sqrt(norm);
  const update_result r = a.update(1, static_cast<float>(norm / 4));
  CHECK(r.applied);
  CHECK(r.gradient_norm == Approx(norm).epsilon(1e-6));
  CHECK(b.update(1, static_cast<float>(norm * 4)).applied);
  double clipped = 0, unclipped = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    clipped += std::pow(static_cast<double>(a.parameters()[i]) - before[i], 2);
    unclipped += std::pow(static_cast<double>(b.parameters()[i]) - before[i], 2);
  }
  CHECK(std::sqrt(clipped) == Approx(norm / 4).epsilon(1e-5));
  CHECK(std::sqrt(unclipped) == Approx(norm).epsilon(1e-5));
}

TEST_CASE("training step: gradients that are not finite change nothing") {
  training_step<whole> a(1);
  data d(1);
  a.gradients(d.tokens, d.targets);
  CHECK(a.update(1e-2f).applied);
  const auto before = copy_of(a);
  const std::vector<float> state(a.state(0).begin(), a.state(0).end());
  a.gradients(d.tokens, d.targets);
  a.gradient_values()[17] = std::numeric_limits<float>::infinity();
  const update_result r = a.update(1e-2f);
  CHECK_FALSE(r.applied);
  CHECK_FALSE(std::isfinite(r.gradient_norm));
  CHECK(copy_of(a) == before);
  CHECK(std::equal(state.begin(), state.end(), a.state(0).begin()));
  CHECK(a.steps() == 2);
  CHECK(a.updates() == 1);
}

TEST_CASE("training step: the same bits again, for any number of threads, and when it goes on") {
  std::vector<float> first;
  for (int threads : {1, 2, 3, 2}) {
    thread_guard use(threads);
    training_step<dropping> a(9);
    std::vector<float> losses;
    for (unsigned n = 0; n < 6; ++n) {
      losses.push_back(a.gradients(data(n).tokens, data(n).targets));
      a.update(0.5f);
    }
    auto end = copy_of(a);
    end.insert(end.end(), losses.begin(), losses.end());
    if (first.empty()) first = end;
    CHECK(end == first);
  }
  training_step<dropping> a(9), b(123);
  for (unsigned n = 0; n < 6; ++n) {
    if (n == 3) {
      std::copy(a.parameters().begin(), a.parameters().end(), b.parameters().begin());
      b.resume_at(a.seed(), a.steps(), a.updates());
    }
    training_step<dropping>& now = n < 3 ? a : b;
    now.gradients(data(n).tokens, data(n).targets);
    now.update(0.5f);
  }
  CHECK(std::equal(first.begin(), first.begin() + static_cast<long>(b.parameters().size()),
                   b.parameters().begin()));
}

TEST_CASE("training step: evaluation drops nothing and leaves the gradients") {
  training_step<dropping> a(2);
  data d(4);
  const float trained = a.gradients(d.tokens, d.targets);
  const std::vector<float> gradients(a.gradient_values().begin(), a.gradient_values().end());
  const float evaluated = a.evaluate(d.tokens, d.targets);
  CHECK(evaluated == a.evaluate(d.tokens, d.targets));
  CHECK(trained != evaluated);
  CHECK(trained == Approx(evaluated).epsilon(0.2));
  CHECK(std::equal(gradients.begin(), gradients.end(), a.gradient_values().begin()));
  const float again = a.gradients(d.tokens, d.targets);
  CHECK(again == trained);  // random numbers follow the step
  a.update(0);
  CHECK(a.gradients(d.tokens, d.targets) != trained);

  training_step<whole> w(2);
  const float one = w.gradients(d.tokens, d.targets);
  CHECK(w.evaluate(d.tokens, d.targets) == Approx(one).epsilon(30 * 0x1p-24));
}

TEST_CASE("training step: it learns") {
  training_step<whole> a(1);
  data d(2);
  for (std::size_t i = 0; i < d.tokens.size(); ++i) d.targets[i] = (d.tokens[i] * 3 + 1) % 19;
  const float start = a.gradients(d.tokens, d.targets);
  CHECK(start == Approx(std::log(19.0)).epsilon(0.02));
  for (int n = 0; n < 60; ++n) {
    a.gradients(d.tokens, d.targets);
    a.update(3e-2f);
  }
  CHECK(a.evaluate(d.tokens, d.targets) < 0.05f);
}

TEST_CASE("training step: nothing is allocated after construction") {
  training_step<whole> a(1);
  training_step<gathered> b(1);
  data d(1);
  const std::span<const std::int32_t> tokens(d.tokens), targets(d.targets);
  const long before = allocations;
  for (int n = 0; n < 3; ++n) {
    a.gradients(tokens, targets);
    a.update(1e-3f);
    a.evaluate(tokens, targets);
    b.gradients(tokens, targets);
    b.update(1e-3f);
    b.evaluate(tokens.first(10), targets.first(10));
  }
  const long after = allocations;
  CHECK(after == before);
  CHECK(after > 0);  // the counter counts
}

TEST_CASE("training step: numbers outside the vocabulary are refused with a sentence") {
  training_step<whole> a(1);
  data d(1);
  a.gradients(d.tokens, d.targets);
  const std::vector<float> gradients(a.gradient_values().begin(), a.gradient_values().end());
  auto bad = d;
  bad.tokens[7] = 19;
  CHECK(message_of([&] { a.gradients(bad.tokens, bad.targets); }) ==
        "Number 7 of the batch's tokens is 19, but the model's vocabulary is 0 to 18; encode the text for "
        "this model.");
  bad = d;
  bad.targets[29] = -1;
  CHECK(message_of([&] { a.evaluate(bad.tokens, bad.targets); }) ==
        "Number 29 of the batch's targets is -1, but the model's vocabulary is 0 to 18; encode the text for "
        "this model.");
  bad.tokens.pop_back();
  CHECK(message_of([&] { a.gradients(bad.tokens, d.targets); }) ==
        "The batch has 29 tokens, but a step takes 30 of them: sequences times their length.");
  CHECK(std::equal(gradients.begin(), gradients.end(), a.gradient_values().begin()));
}
