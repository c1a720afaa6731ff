// Optimizers compiled to kernels, against the same formulas in f64.
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "formwork/backend/cpu/cpu.hpp"
#include "formwork/core/arena.hpp"
#include "formwork/ops/sign.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/optim/optimizer_step.hpp"
#include "formwork/optim/sgd.hpp"
#include "support/catch.hpp"
#include "support/threads.hpp"

using namespace formwork;
using formwork::testing::thread_guard;

namespace {

// Enough rows that threads share the work; the first ones decay.
constexpr long rows = 20, decayed_rows = 7, elements = rows * arena_row, decayed = decayed_rows * arena_row;

// An optimizer that the library does not have: Lion (Chen et al. 2023, alg. 2).
struct lion {
  static constexpr int states = 1;
  static constexpr double beta_1 = 0.9, beta_2 = 0.99, weight_decay = 0.3;
  static std::array<float, 2> factors(float rate, long) {
    return {rate, static_cast<float>(rate * weight_decay)};
  }
  static constexpr auto update(auto const& p, auto const& g, auto const& state, auto const& factor,
                               auto const& decays) {
    auto direction = sign(state[0] * beta_1 + g * (1 - beta_1));
    return updated{p * (1 - factor[1] * decays) - factor[0] * direction,
                   state[0] * beta_2 + g * (1 - beta_2)};
  }
};

struct plain_config : sgd_config {
  static constexpr double momentum = 0;
};
struct nesterov_config : sgd_config {
  static constexpr double momentum = 0.8, weight_decay = 0.05;
  static constexpr bool nesterov = true;
};
struct momentum_config : sgd_config {
  static constexpr double momentum = 0.9, weight_decay = 0.05;
};
struct slow_config : adamw_config {
  static constexpr double beta_2 = 0.999, weight_decay = 0.2;
};

// One element in f64: state is m, v or the momentum, t = 1, 2, ...
struct element {
  double p = 0, state[2]{};
};
using formula = std::function<void(element&, double g, double rate, long t, bool decays)>;

template <class C> formula adamw_formula() {
  return [](element& e, double g, double rate, long t, bool decays) {
    if (decays) e.p *= 1 - rate * C::weight_decay;
    e.state[0] = C::beta_1 * e.state[0] + (1 - C::beta_1) * g;
    e.state[1] = C::beta_2 * e.state[1] + (1 - C::beta_2) * g * g;
    const double m = e.state[0] / (1 - std::pow(C::beta_1, t)), v = e.state[1] / (1 - std::pow(C::beta_2, t));
    e.p -= rate * m / (std::sqrt(v) + C::epsilon);
  };
}
template <class C> formula sgd_formula() {
  return [](element& e, double g, double rate, long t, bool decays) {
    if (decays) g += C::weight_decay * e.p;
    e.state[0] = t == 1 ? g : C::momentum * e.state[0] + g;
    e.p -= rate * (C::momentum == 0 ? g : C::nesterov ? g + C::momentum * e.state[0] : e.state[0]);
  };
}
void lion_formula(element& e, double g, double rate, long, bool decays) {
  const double c = lion::beta_1 * e.state[0] + (1 - lion::beta_1) * g;
  if (decays) e.p *= 1 - rate * lion::weight_decay;
  e.p -= rate * (c > 0 ? 1 : c < 0 ? -1 : 0);
  e.state[0] = lion::beta_2 * e.state[0] + (1 - lion::beta_2) * g;
}

constexpr long steps = 6;
constexpr double rate_of(long t) { return 0.02 / static_cast<double>(t); }
constexpr double scale_of(long t) { return t % 2 == 0 ? 0.5 : 1.0; }

// Gradients of very different sizes, some of them 0.
float gradient_of(long i, long t) {
  static const std::vector<float> table = [] {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    std::vector<float> x(8191);
    for (std::size_t k = 0; k < x.size(); ++k)
      x[k] = k % 97 == 0 ? 0.f : normal(random) * std::pow(10.f, static_cast<float>(k % 5) - 3);
    return x;
  }();
  return table[static_cast<std::size_t>((i + 31 * t) % static_cast<long>(table.size()))];
}
float start_of(long i) { return gradient_of(i * 7, 11) + 0.5f; }

template <class Optimizer> struct outcome { std::vector<float> parameters, states; };
template <class Optimizer> outcome<Optimizer> run(int threads) {
  thread_guard use(threads);
  using step = optimizer_step<Optimizer, cpu_device, elements, decayed>;
  arena memory(static_cast<std::size_t>(2 * elements + step::state_elements) * sizeof(float) +
               step::workspace_bytes);
  float* p = reinterpret_cast<float*>(memory.data());
  float *g = p + elements, *s = g + elements;
  std::byte* workspace = reinterpret_cast<std::byte*>(s + step::state_elements);
  for (long i = 0; i < elements; ++i) p[i] = start_of(i);
  for (long t = 1; t <= steps; ++t) {
    for (long i = 0; i < elements; ++i) g[i] = gradient_of(i, t);
    // Gradients of norm 1 are scaled down to the largest norm.
    alignas(16) auto numbers = step::numbers_of(static_cast<float>(rate_of(t)), t, static_cast<float>(scale_of(t)));
    alignas(16) float square_sum = 1;
    step::update(p, g, s, numbers.data(), &square_sum, nullptr, workspace);
  }
  return {{p, p + elements}, {s, s + step::state_elements}};
}

// Every step rounds a parameter at most four times, and the way it goes in a step, 2 rate at most for the
// formulas that divide and 10 rate |g| for the others, eight times; states twelve times. 2^-24 is one
// rounding.
template <class Optimizer> bool good(outcome<Optimizer> const& o, formula const& f) {
  for (long i = 0; i < elements; ++i) {
    element e{start_of(i), {}};
    double way = 0, largest = std::abs(e.p), state[2]{};
    for (long t = 1; t <= steps; ++t) {
      const double before = e.p, g = gradient_of(i, t) * scale_of(t);
      f(e, g, static_cast<float>(rate_of(t)), t, i < decayed);
      way += std::abs(e.p - before);
      largest = std::max(largest, std::abs(e.p));
      for (int k = 0; k < Optimizer::states; ++k) state[k] = std::max(state[k], std::abs(e.state[k]));
    }
    auto near = [](double got, double expected, double bound) {
      return std::abs(got - expected) <= bound * 0x1p-24;
    };
    if (!near(o.parameters[static_cast<std::size_t>(i)], e.p, 4.0 * steps * largest + 8 * way)) return false;
    for (int k = 0; k < Optimizer::states; ++k)
      if (!near(o.states[static_cast<std::size_t>(k * elements + i)], e.state[k], 12.0 * state[k]))
        return false;
  }
  return true;
}

// Which mistakes must show.
struct teeth_of {
  bool decay = true, counts = false;
};

template <class Optimizer> void check(formula const& f, teeth_of teeth = {}) {
  const auto o = run<Optimizer>(2);
  REQUIRE(good(o, f));
  auto wrong = o;
  for (float& x : wrong.parameters) x *= 1.0001f;
  CHECK_FALSE(good(wrong, f));
  wrong = o;
  std::swap_ranges(wrong.parameters.begin(), wrong.parameters.begin() + arena_row,
                   wrong.parameters.begin() + arena_row);
  CHECK_FALSE(good(wrong, f));
  if (Optimizer::states > 0) {
    wrong = o;
    std::fill(wrong.states.begin(), wrong.states.end(), 0.f);
    CHECK_FALSE(good(wrong, f));
  }
  auto all_decay = [&](element& e, double g, double rate, long t, bool) { f(e, g, rate, t, true); };
  auto late = [&](element& e, double g, double rate, long t, bool decays) { f(e, g, rate, t + 1, decays); };
  if (teeth.decay) CHECK_FALSE(good(o, all_decay));
  if (teeth.counts) CHECK_FALSE(good(o, late));
  for (int threads : {1, 3}) {
    const auto again = run<Optimizer>(threads);
    CHECK(again.parameters == o.parameters);
    CHECK(again.states == o.states);
  }
}

}  // namespace

TEST_CASE("adamw: as its formula in f64") {
  check<adamw>(adamw_formula<adamw_config>(), {.counts = true});
  CHECK_FALSE(good(run<adamw>(1), adamw_formula<slow_config>()));
}
TEST_CASE("adamw: another configuration") {
  check<adamw_with<slow_config>>(adamw_formula<slow_config>(), {.counts = true});
}
TEST_CASE("sgd: without momentum") {
  check<sgd_with<plain_config>>(sgd_formula<plain_config>(), {.decay = false});
}
TEST_CASE("sgd: with momentum") { check<sgd_with<momentum_config>>(sgd_formula<momentum_config>()); }
TEST_CASE("sgd: with Nesterov's momentum") {
  check<sgd_with<nesterov_config>>(sgd_formula<nesterov_config>());
}
TEST_CASE("optimizer: one from outside the library") { check<lion>(lion_formula); }

TEST_CASE("optimizer: one kernel reads and writes every arena once") {
  using program = compiled<optim::update_source<adamw, elements, decayed>>;
  int over_all = 0;
  for (auto const& k : program::value.kernels) over_all += k.rows * k.columns == elements;
  CHECK(over_all == 1);
  CHECK(program::value.workspace_bytes <= rows * 64);
}

TEST_CASE("gradient norm: sum of squares, the same bits for any number of threads") {
  using step = optimizer_step<adamw, cpu_device, elements, decayed>;
  arena memory(elements * sizeof(float) + step::workspace_bytes);
  float* g = reinterpret_cast<float*>(memory.data());
  double expected = 0;
  for (long i = 0; i < elements; ++i) {
    g[i] = gradient_of(i, 1);
    expected += static_cast<double>(g[i]) * g[i];
  }
  std::vector<float> sums;
  auto square_sum = [&] {
    float sum = -1;
    step::square_sum(g, &sum, memory.data() + elements * sizeof(float));
    return sum;
  };
  for (int threads : {1, 2, 3, 2}) {
    thread_guard use(threads);
    sums.push_back(square_sum());
  }
  // A row's sum has at most 4096 / 8 additions behind each other, that of the rows at most 20.
  CHECK(std::abs(sums[0] - expected) <= 540 * 0x1p-24 * expected);
  CHECK(std::abs(sums[0] * 1.01 - expected) > 540 * 0x1p-24 * expected);
  for (float s : sums) CHECK(s == sums[0]);
  g[elements - 1] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(square_sum()));
  g[elements - 1] = -std::numeric_limits<float>::infinity();
  CHECK(std::isinf(square_sum()));
}
