// The first values of a model's parameters.
#pragma once

#include <span>

#include "../core/philox.hpp"
#include "../kernels/launch.hpp"
#include "parameter_layout.hpp"

namespace formwork {

// The Philox stream of a parameter's first values. Training never gets to a step of that number, so no dropout layer
// reads it.
constexpr std::uint64_t initial_stream(int parameter) { return random_stream(0xffffffffu, static_cast<std::uint32_t>(parameter), 0); }

// Element i of parameter p (its layers one after the other) starts with number i of the stream of p, wherever it lies.
inline void initialize(parameter_entry const& e, float* to, std::uint64_t seed) {
  if (e.start != initial::normal) {
    std::fill_n(to, e.elements, e.start == initial::ones ? 1.f : 0.f);
    return;
  }
  const std::uint64_t stream = initial_stream(e.parameter), first = static_cast<std::uint64_t>(e.first);
  const float scale = static_cast<float>(e.scale);
  for (std::uint64_t i = 0, n = static_cast<std::uint64_t>(e.elements); i < n;) {
    const std::uint64_t b = (first + i) / 4;
    const philox::block words = philox::block_of(seed, stream, b);
    for (std::uint64_t w = (first + i) % 4; w < 4 && i < n; ++w, ++i)
      to[i] = scale * philox::to_normal(words.word[w & ~std::uint64_t{1}], words.word[w | 1], w % 2 != 0);
  }
}

// All parameters of a model; `parameters` has parameter_layout<Model>::elements.
template <class Model> void initialize(std::span<float> parameters, std::uint64_t seed) {
  for (auto const& e : parameter_layout<Model>::entries) initialize(e, parameters.data() + e.offset, seed);
}

}  // namespace formwork
