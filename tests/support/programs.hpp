// Programs of traced functions, to be compiled for any backend.
#pragma once

#include <cmath>

#include "formwork/passes/lower_precision.hpp"
#include "support/modules.hpp"
#include "support/passes.hpp"

namespace formwork::testing {

// f32 work of at most `roundings` roundings in a row: errors are independent, of at most half a unit in the last place.
constexpr double f32_tolerance(double roundings) { return 3 * std::sqrt(roundings) * 0x1p-24; }

// Loss and gradients of a function of a module and inputs.
template <class Function, class Module, class Inputs = nothing> struct gradients_of {
  static constexpr graph make() { return simplified(differentiated(simplified(trace<Function, Module, Inputs>(), stop_gradients::keep))); }
};
// And those of its inputs.
template <class Function, class Module, class Inputs> struct all_gradients_of {
  static constexpr graph make() { return simplified(differentiated(simplified(trace<Function, Module, Inputs>(), stop_gradients::keep), {.inputs = true})); }
};
template <class Function, class Module, class Inputs = nothing> struct values_of {
  static constexpr graph make() { return simplified(trace<Function, Module, Inputs>()); }
};

// The same with products that compute their operands.
template <class Source> struct with_prologues : Source { static constexpr bool prologues = true; };

// The same with products that sum their results.
template <class Source> struct with_sums : Source { static constexpr bool sums = true; };

// The same with 16-bit storage.
template <class Source, dtype Storage> struct lowered {
  static constexpr graph make() { return lower_precision(Source::make(), Storage); }
};

}  // namespace formwork::testing
