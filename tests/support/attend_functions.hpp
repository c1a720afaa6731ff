// Attention as losses: of a module with queries, keys and values (and a table), and an input that weighs every element of
// the result.
#pragma once

#include "formwork/nn/attention.hpp"
#include "support/programs.hpp"

namespace formwork::testing {

struct causally {
  constexpr auto operator()(auto const& m, auto const& in) const { return sum<>(attend(m.a, m.b, m.c, with_mask(causal)) * in.x); }
};
struct causally_in_bf16 {
  constexpr auto operator()(auto const& m, auto const& in) const {
    return sum<>(cast<dtype::f32>(attend(cast<dtype::bf16>(m.a), cast<dtype::bf16>(m.b), cast<dtype::bf16>(m.c), with_mask(causal))) * in.x);
  }
};
struct everything {
  constexpr auto operator()(auto const& m, auto const& in) const { return sum<>(attend(m.a, m.b, m.c) * in.x); }
};

}  // namespace formwork::testing
