// Attention over sequences that are shorter than their compile-time maximum, as CUDA kernels: right, and without the blocks
// beyond a length.
#include "cuda/check.hpp"
#include "support/ragged_attention.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

using exact = gpu::options<gpu::f32_products::exact>;
using on_emulator = emulator::device<exact>;

// Three blocks of queries and of keys, the last one not filled.
constexpr long longest = 150, sequences = 4, block = 64;
using source = ragged_attention<sequences, longest>;
using attention_run = ragged_run<sequences, longest, on_emulator>;

}  // namespace

TEST_CASE("lengths: no time, one, some and all of them") {
  step_check_options o;
  o.spread = 1;
  o.integers.resize(5);
  o.integers[4] = {0, 1, 70, longest};
  check_on_emulator<source, exact>(f32_tolerance(500), o);
  // One length wrong by one shows.
  o.oracle_integers = o.integers;
  ++o.oracle_integers[4][2];
  CHECK(compare_step<source, on_emulator>(o)[1].error > 100 * f32_tolerance(500));
}

TEST_CASE("lengths: what stands in blocks beyond a length is not read") {
  for (auto operand : {&attention_run::q, &attention_run::k, &attention_run::v}) {
    attention_run beyond, inside;
    attention_run::poison(beyond.*operand, block);
    beyond.run();
    CHECK(beyond.broken() == 0);
    attention_run::poison(inside.*operand, 39);
    inside.run();
    CHECK(inside.broken() > 0);
  }
}

TEST_CASE("lengths: kernels pass over blocks that a length hides") {
  for (const char* kernel : {"attend", "attend key gradient", "attend query gradient"}) {
    auto barriers = [&](std::int32_t length) {
      emulator::synchronization count;
      attention_run r;
      r.lengths.assign(sequences, length);
      emulator::settings how{.only = kernel, .count = &count};
      r.run(&how);
      return count.barriers;
    };
    const int none = barriers(0), one = barriers(block), all = barriers(longest);
    CAPTURE(kernel, none, one, all);
    CHECK(none == 0);
    CHECK(one > 0);
    CHECK(all == 3 * one);  // of the queries (keys) that see most
  }
}
