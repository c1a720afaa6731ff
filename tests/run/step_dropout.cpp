// Dropout and other weights of attention's probabilities: compiled steps on the CPU against the f64 interpreter, forward and
// backward; the rate; the same bits for any number of threads.
#include <omp.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "formwork/passes/differentiate.hpp"
#include "formwork/passes/lower_precision.hpp"
#include "formwork/passes/simplify.hpp"
#include "formwork/program/describe.hpp"
#include "formwork/trace/attend.hpp"
#include "support/attend_dropout.hpp"
#include "support/catch.hpp"
#include "support/programs.hpp"
#include "support/step_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

struct dropped_everywhere {
  constexpr auto operator()(auto const& m, auto const& in) const { return sum<>(attend(m.a, m.b, m.c, with_dropout(0.3)) * in.x); }
};
template <long T> struct doubles {
  using query_t = input<dtype::f64, shape<1, 9, 2, 6>>;
  using key_t = input<dtype::f64, shape<1, T, 1, 6>>;
  BOOST_HANA_DEFINE_STRUCT(doubles<T>, (query_t, q), (key_t, k), (key_t, v));
};
struct dropped_doubles {
  constexpr auto operator()(auto const&, auto const& in) const { return attend(in.q, in.k, in.v, with_dropout(0.3)); }
};
struct plain {
  constexpr auto operator()(auto const& m, auto const& in) const { return sum<>(attend(m.a, m.b, m.c, with_mask(causal)) * in.x); }
};
struct nothing_dropped {
  constexpr auto operator()(auto const& m, auto const& in) const { return sum<>(attend(m.a, m.b, m.c, with_mask(causal), with_dropout(0)) * in.x); }
};

template <class Source> void check_outputs(std::size_t outputs, double tolerance) {
  CHECK(check_step<Source>(tolerance).size() == outputs);
}

}  // namespace

TEST_CASE("attend: dropout, forward and backward, rows of keys that are whole blocks of random numbers and that are not") {
  check_outputs<gradients_of<dropped, heads_of<2, 72, 4, 72, 2, 8>, numbers<shape<2, 72, 4, 8>>>>(4, f32_tolerance(500));
  check_outputs<gradients_of<dropped, heads_of<2, 70, 4, 70, 2, 12>, numbers<shape<2, 70, 4, 12>>>>(4, f32_tolerance(500));
  check_outputs<gradients_of<dropped_everywhere, heads_of<1, 37, 2, 91, 1, 8>, numbers<shape<1, 37, 2, 8>>>>(4, f32_tolerance(500));
}
TEST_CASE("attend: dropout of a single query, and of many keys by few heads") {
  check_outputs<gradients_of<dropped_everywhere, heads_of<2, 1, 4, 150, 2, 12>, numbers<shape<2, 1, 4, 12>>>>(4, f32_tolerance(500));
  check_outputs<gradients_of<dropped, heads_of<1, 300, 1, 300, 1, 8>, numbers<shape<1, 300, 1, 8>>>>(4, f32_tolerance(1000));
}
TEST_CASE("attend: random numbers in score, mask and weight") {
  using source = gradients_of<random_everywhere, heads_and_table<2, 37, 4, 37, 2, 8, shape<4, 30>>, numbers<shape<2, 37, 4, 8>>>;
  check_outputs<source>(5, f32_tolerance(500));
}
TEST_CASE("attend: dropout with operands of 16 bits") {
  // A gradient is behind eight values of 8 bits: the operands, out, dout, p, ds and its own.
  check_outputs<lowered<gradients_of<dropped, heads_of<2, 40, 4, 40, 2, 8>, numbers<shape<2, 40, 4, 8>>>, dtype::bf16>>(4, 4 * 0x1p-9);
}
TEST_CASE("attend: dropout of f64") {
  const double tolerance = 3 * std::sqrt(100.0) * 0x1p-53;
  check_outputs<values_of<dropped_doubles, nothing, doubles<20>>>(1, tolerance);
  check_outputs<values_of<dropped_doubles, nothing, doubles<21>>>(1, tolerance);
}
TEST_CASE("attend: dropout of rate 0 is no dropout, and rates that are no part of 1 are refused") {
  using module = heads_of<1, 9, 2, 9, 1, 4>;
  using weights = numbers<shape<1, 9, 2, 4>>;
  CHECK(describe(gradients_of<nothing_dropped, module, weights>::make()) == describe(gradients_of<plain, module, weights>::make()));
  for (double rate : {-0.1, 1.0, 1.5}) CHECK_THROWS_WITH(with_dropout(rate), "with_dropout: the rate is a probability in [0, 1).");
}

namespace {

constexpr random_state drawn_from{.seed = 0x299f31d0a4093822u, .step = 7};

// Of independent decisions, `count` that hold with probability p: within five standard deviations, which one draw in
// 1.7 million leaves.
bool is_likely(long held, long count, double p) { return std::abs(static_cast<double>(held) - p * static_cast<double>(count)) <= 5 * std::sqrt(static_cast<double>(count) * p * (1 - p)); }

}  // namespace

TEST_CASE("attend: dropout keeps its part of the pairs, each for itself") {
  constexpr long b = 2, h = 4, t = 64, s = 64, all = b * h * t * s;
  const auto kept = kept_pairs<20, b, t, h, s, cpu_device>(drawn_from);
  CHECK(kept == kept_numbers(0.2, kept.size(), drawn_from));
  CHECK(is_likely(std::count(kept.begin(), kept.end(), 1), all, 0.8));
  CHECK(std::count(kept.begin(), kept.end(), 0) + std::count(kept.begin(), kept.end(), 1) == all);
  for (long apart : {1l, 2l, 4l, s, t * s, h * t * s}) {  // neighbours along every axis agree as often as strangers
    long agree = 0;
    for (long i = 0; i + apart < all; ++i) agree += kept[static_cast<std::size_t>(i)] == kept[static_cast<std::size_t>(i + apart)];
    CAPTURE(apart, agree);
    CHECK(is_likely(agree, all - apart, 0.8 * 0.8 + 0.2 * 0.2));
  }
  // Another step is another draw.
  const auto next = kept_pairs<20, b, t, h, s, cpu_device>({drawn_from.seed, drawn_from.step + 1});
  CHECK(is_likely(std::inner_product(kept.begin(), kept.end(), next.begin(), 0l, std::plus<>(), std::equal_to<>()), all, 0.68));
  // Keys along the lanes, and rows of keys that begin inside a block.
  CHECK(kept_pairs<20, 3, 1, 4, 37, cpu_device>(drawn_from) == kept_numbers(0.2, 3 * 4 * 37, drawn_from));
  CHECK(kept_pairs<20, 2, 41, 3, 37, cpu_device>(drawn_from) == kept_numbers(0.2, 2 * 41 * 3 * 37, drawn_from));
}
TEST_CASE("attend: dropout has the same bits for one, two and three threads") {
  using source = gradients_of<dropped, heads_of<2, 72, 4, 72, 2, 8>, numbers<shape<2, 72, 4, 8>>>;
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto one = compare_step<source>();
  for (int threads : {2, 3}) {
    omp_set_num_threads(threads);
    const auto several = compare_step<source>();
    REQUIRE(several.size() == one.size());
    for (std::size_t i = 0; i < one.size(); ++i) CHECK(several[i].bits == one[i].bits);
  }
  omp_set_num_threads(before);
}
