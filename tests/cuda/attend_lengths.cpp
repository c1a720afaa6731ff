// Attention over sequences that are shorter than their compile-time maximum, as CUDA kernels: right, and without the blocks
// beyond a length.
#include "cuda/check.hpp"
#include "formwork/formwork.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

using exact = cuda::options<cuda::f32_products::exact>;
using on_emulator = emulator::device<exact>;

// Three blocks of queries and of keys, the last one not filled.
constexpr long longest = 150, sequences = 4, block = 64;
struct ragged_heads {
  using queries = input<dtype::f32, shape<sequences, longest, 2, 8>>;
  using keys = input<dtype::f32, shape<sequences, longest, 1, 8>>;
  using counts = input<dtype::i32, shape<sequences>>;
  BOOST_HANA_DEFINE_STRUCT(ragged_heads, (queries, query), (keys, key), (keys, value), (queries, weight), (counts, lengths));
};
struct attention_loss {
  constexpr auto operator()(auto const&, auto const& in) const {
    return reshape<>(sum<>(attend(in.query, in.key, in.value, with_mask(causal && within(in.lengths))) * in.weight));
  }
};
struct source {
  static constexpr graph make() {
    return simplify(differentiate(simplify(trace<attention_loss, nothing, ragged_heads>(), stop_gradients::keep), {.inputs = true}));
  }
};

// One run on the emulator.
struct ragged_run {
  std::vector<float> q = std::vector<float>(sequences * longest * 16, 0.5f), k = std::vector<float>(sequences * longest * 8, 0.25f), v = k, weight = q, dq = q, dk = k, dv = k, dw = q;
  std::vector<std::int32_t> lengths = std::vector<std::int32_t>(sequences, 40);
  float loss = 0;

  void run(emulator::settings how = {}) {
    using step_t = step<compiled<source>, on_emulator>;
    auto workspace = aligned_array<std::byte>(step_t::workspace_bytes);
    void* inputs[] = {q.data(), k.data(), v.data(), weight.data(), lengths.data()};
    void* outputs[] = {&loss, dq.data(), dk.data(), dv.data(), dw.data()};
    step_t::run({.workspace = workspace.get(), .inputs = inputs, .outputs = outputs, .queue = &how});
  }
  // NaN in all times from `from` on.
  static void poison(std::vector<float>& x, long from) {
    const long width = static_cast<long>(x.size()) / (sequences * longest);
    for (long b = 0; b < sequences; ++b) std::fill(x.begin() + (b * longest + from) * width, x.begin() + (b + 1) * longest * width, std::numeric_limits<float>::quiet_NaN());
  }
  long broken() const {
    long n = std::isnan(loss);
    for (auto const* x : {&dq, &dk, &dv, &dw})
      for (float e : *x) n += std::isnan(e);
    return n;
  }
};

}  // namespace

TEST_CASE("lengths: no time, one, some and all of them") {
  step_check_options o;
  o.spread = 1;
  o.integers.resize(5);
  o.integers[4] = {0, 1, 70, longest};
  check_on_emulator<source, exact>(f32_tolerance(500), o, 4);
  // One length wrong by one shows.
  o.oracle_integers = o.integers;
  ++o.oracle_integers[4][2];
  CHECK(compare_step<source, on_emulator>(o)[1].error > 100 * f32_tolerance(500));
}

TEST_CASE("lengths: what stands in blocks beyond a length is not read") {
  for (auto operand : {&ragged_run::q, &ragged_run::k, &ragged_run::v}) {
    ragged_run beyond, inside;
    ragged_run::poison(beyond.*operand, block);
    beyond.run();
    CHECK(beyond.broken() == 0);
    ragged_run::poison(inside.*operand, 39);
    inside.run();
    CHECK(inside.broken() > 0);
  }
}

TEST_CASE("lengths: kernels pass over blocks that a length hides") {
  for (const char* kernel : {"attend", "attend key gradient", "attend query gradient"}) {
    auto barriers = [&](std::int32_t length) {
      emulator::synchronization count;
      ragged_run r;
      r.lengths.assign(sequences, length);
      r.run({.only = kernel, .count = &count});
      return count.barriers;
    };
    const int none = barriers(0), one = barriers(block), all = barriers(longest);
    CAPTURE(kernel, none, one, all);
    CHECK(none == 0);
    CHECK(one > 0);
    CHECK(all == 3 * one);  // of the queries (keys) that see most
  }
}
