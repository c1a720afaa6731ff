// Causal attention of sequences that are shorter than their compile-time maximum, with its gradients, and one run of it on
// memory that a test chooses.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "formwork/nn/attention.hpp"
#include "support/programs.hpp"
#include "support/aligned.hpp"
#include "support/oracle.hpp"

namespace formwork::testing {

// Two heads of queries, which share one of keys and values, of 8 columns; a weight for each element of the result.
template <long Sequences, long Longest> struct ragged_heads {
  using queries = input<dtype::f32, shape<Sequences, Longest, 2, 8>>;
  using keys = input<dtype::f32, shape<Sequences, Longest, 1, 8>>;
  using counts = input<dtype::i32, shape<Sequences>>;
  BOOST_HANA_DEFINE_STRUCT(ragged_heads, (queries, query), (keys, key), (keys, value), (queries, weight), (counts, lengths));
};
struct ragged_attention_loss {
  constexpr auto operator()(auto const&, auto const& in) const {
    return reshape<>(sum<>(attend(in.query, in.key, in.value, with_mask(causal && within(in.lengths))) * in.weight));
  }
};
template <long Sequences, long Longest> using ragged_attention = all_gradients_of<ragged_attention_loss, nothing, ragged_heads<Sequences, Longest>>;

// Every sequence has 40 times unless a test says otherwise.
template <long Sequences, long Longest, class Device> struct ragged_run {
  using values = std::vector<float>;
  values q = values(Sequences * Longest * 16, 0.5f), k = values(Sequences * Longest * 8, 0.25f), v = k, weight = q, dq = q, dk = k, dv = k, dw = q;
  std::vector<std::int32_t> lengths = std::vector<std::int32_t>(Sequences, 40);
  float loss = 0;

  void run(void* queue = nullptr) {
    using step_t = step<compiled<ragged_attention<Sequences, Longest>>, Device>;
    auto workspace = aligned_array<std::byte>(step_t::workspace_bytes);
    void* inputs[] = {q.data(), k.data(), v.data(), weight.data(), lengths.data()};
    void* outputs[] = {&loss, dq.data(), dk.data(), dv.data(), dw.data()};
    step_t::run({.workspace = workspace.get(), .inputs = inputs, .outputs = outputs, .queue = queue});
  }
  // NaN in all times from `from` on.
  static void poison(values& x, long from) {
    const long width = static_cast<long>(x.size()) / (Sequences * Longest);
    for (long b = 0; b < Sequences; ++b) std::fill(x.begin() + (b * Longest + from) * width, x.begin() + (b + 1) * Longest * width, std::numeric_limits<float>::quiet_NaN());
  }
  long broken() const {
    long n = std::isnan(loss);
    for (auto const* x : {&dq, &dk, &dv, &dw})
      for (float e : *x) n += std::isnan(e);
    return n;
  }
};

}  // namespace formwork::testing
