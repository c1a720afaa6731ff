// Attention with random numbers as a loss, and which pairs of query and key dropout keeps on a device.
#pragma once

#include "formwork/ops/exp.hpp"
#include "formwork/trace/attend.hpp"
#include "support/aligned.hpp"
#include "support/oracle.hpp"
#include "support/programs.hpp"
#include "support/random_counter.hpp"

namespace formwork::testing {

// Of a module with queries, keys and values (and a table), and an input that weighs every element of the result.
struct dropped {
  constexpr auto operator()(auto const& m, auto const& in) const { return sum<>(attend(m.a, m.b, m.c, with_mask(causal), with_dropout(0.3)) * in.x); }
};
// Noise in the score, a random mask (the diagonal stays), a table with a gradient, and two weights, one of them dropout.
struct random_everywhere {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto score = [&](auto s, auto at) { return s + random_like(at.query) + m.d(at.head, at.query - at.key); };
    auto mask = mask_expression{[](auto const& at) { return random_like(at.key) < 0.8f || at.key == at.query; }};
    auto weight = [](auto at) { return exp(-0.05f * cast<dtype::f32>(at.query - at.key)); };
    return sum<>(attend(m.a, m.b, m.c, with_mask(causal && mask), with_score(score), with_weight(weight), with_dropout(0.25)) * in.x);
  }
};

// All scores are 0 and the values are the unit matrix, so that element j of a result is factor(batch, head, query, j) / keys.
template <long B, long T, long H, long S> struct unit_values {
  using query_t = input<dtype::f32, shape<B, T, H, S>>;
  using key_t = input<dtype::f32, shape<B, S, 1, S>>;
  BOOST_HANA_DEFINE_STRUCT(unit_values, (query_t, query), (key_t, key), (key_t, values));
};
template <int Percent> struct drop {
  constexpr auto operator()(auto const&, auto const& in) const { return attend(in.query, in.key, in.values, with_dropout(Percent / 100.0)); }
};

// [b][h][q][k]: 1 kept, 0 dropped, -1 neither the value that is kept nor 0.
template <int Percent, long B, long T, long H, long S, class Device> std::vector<int> kept_pairs(random_state from, void* queue = nullptr) {
  using program = step<compiled<values_of<drop<Percent>, nothing, unit_values<B, T, H, S>>>, Device>;
  std::vector<float> zeros(static_cast<std::size_t>(B * T * H * S)), keys(static_cast<std::size_t>(B * S * S)), values = keys, out(zeros.size(), -7.f);
  for (long b = 0; b < B; ++b)
    for (long s = 0; s < S; ++s) values[static_cast<std::size_t>((b * S + s) * S + s)] = 1;
  auto workspace = aligned_array<std::byte>(program::workspace_bytes);
  void *inputs[] = {zeros.data(), keys.data(), values.data()}, *outputs[] = {out.data()};
  program::run({.workspace = workspace.get(), .inputs = inputs, .outputs = outputs, .random = from, .queue = queue});
  std::vector<int> kept(out.size());
  const double whole = 1 / (1 - Percent / 100.0) / static_cast<double>(S);
  for (long b = 0; b < B; ++b)
    for (long h = 0; h < H; ++h)
      for (long q = 0; q < T; ++q)
        for (long k = 0; k < S; ++k) {
          const double x = static_cast<double>(out[static_cast<std::size_t>(((b * T + q) * H + h) * S + k)]);
          // exp(0), its sum, a division, the factor: each within a few roundings.
          kept[static_cast<std::size_t>(((b * H + h) * T + q) * S + k)] = x == 0 ? 0 : std::abs(x - whole) <= 16 * 0x1p-24 * whole ? 1 : -1;
        }
  return kept;
}
// The same by the definition: element ((b H + h) T + q) S + k of the first stream.
inline std::vector<int> kept_numbers(double rate, std::size_t count, random_state from) {
  std::vector<int> kept(count);
  for (std::size_t i = 0; i < count; ++i) kept[i] = random_counter({from.seed, from.step, 0, 0, i}) >= rate;
  return kept;
}

}  // namespace formwork::testing
