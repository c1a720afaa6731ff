// Runs a traced function's kernels in the emulator, with many orders of the lanes, against the f64 interpreter and
// against itself: no order may change a bit.
#pragma once

#include "emulator/device.hpp"
#include "formwork/ops/sin.hpp"
#include "formwork/passes/differentiate.hpp"
#include "formwork/passes/lower_precision.hpp"
#include "formwork/passes/simplify.hpp"
#include "support/catch.hpp"
#include "support/program_test.hpp"
#include "support/step_check.hpp"

namespace formwork::testing {

// f32 work of at most `roundings` roundings in a row: errors are independent, of at most half a unit in the last place.
constexpr double f32_tolerance(double roundings) { return 3 * std::sqrt(roundings) * 0x1p-24; }

template <class Source, class Options = cuda::options<>> void check_on_emulator(double tolerance, step_check_options o = {}, int seeds = 16) {
  std::vector<comparison> first;
  for (int seed = 1; seed <= seeds; ++seed) {
    emulator::settings how{.seed = static_cast<std::uint64_t>(seed)};
    o.queue = &how;
    auto all = compare_step<Source, emulator::device<Options>>(o);
    REQUIRE(!all.empty());
    for (auto const& c : all) {
      CAPTURE(seed, c.name, c.error, c.norm, tolerance);
      CHECK(c.error <= tolerance);
      CHECK(c.norm > 0);
    }
    if (seed == 1) first = all;
    else
      for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i].error == first[i].error);
  }
}

// Loss and gradients of a function of a module and inputs.
template <class Function, class Module, class Inputs = nothing> struct gradients_of {
  static constexpr graph make() { return simplify(differentiate(simplify(trace<Function, Module, Inputs>(), stop_gradients::keep))); }
};
template <class Function, class Module, class Inputs = nothing> struct values_of {
  static constexpr graph make() { return simplify(trace<Function, Module, Inputs>()); }
};

// The same with 16-bit storage.
template <class Source, dtype Storage> struct lowered {
  static constexpr graph make() { return lower_precision(Source::make(), Storage); }
};

}  // namespace formwork::testing
