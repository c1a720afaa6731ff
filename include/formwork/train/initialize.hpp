// The first values of a model's parameters.
#pragma once

#include <algorithm>
#include <span>

#if !defined(__CUDACC__)
#include "../backend/cpu/simd_philox.hpp"
#endif
#include "../backend/cpu/threads.hpp"
#include "../core/philox.hpp"
#include "../kernels/launch.hpp"
#include "parameter_layout.hpp"

namespace formwork {

// The Philox stream of a parameter's first values. Training never gets to a step of that number, so no
// dropout layer reads it.
constexpr std::uint64_t initial_stream(int parameter) {
  return random_stream(0xffffffffu, static_cast<std::uint32_t>(parameter), 0);
}

// Element i of parameter p (its layers one after the other) starts as scale times number i of the stream of
// p, wherever it lies: philox::normal(seed, initial_stream(p), i).
inline void initialize(parameter_entry const& e, float* to, std::uint64_t seed) {
  if (e.start != initial::normal) {
    std::fill_n(to, e.elements, e.start == initial::ones ? 1.f : 0.f);
    return;
  }
  const std::uint64_t stream = initial_stream(e.parameter), first = static_cast<std::uint64_t>(e.first);
  const float scale = static_cast<float>(e.scale);
#if defined(__CUDACC__)  // whose host compiler does not see the vectors; the numbers are the same
  cpu::parallel_ranges(e.elements, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t i = begin; i < end; ++i) to[i] = scale * philox::normal(seed, stream, first + static_cast<std::uint64_t>(i));
  });
#else
  constexpr std::ptrdiff_t width = cpu::native_width<float>;
  cpu::parallel_ranges((e.elements + width - 1) / width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t i = begin * width, last = std::min(end * width, e.elements); i < last; i += width) {
      const auto x = cpu::pack<float, width>(scale) *
                     cpu::random_normal<width>(seed, stream, first + static_cast<std::uint64_t>(i));
      if (i + width <= last)
        x.store(to + i);
      else
        x.store(to + i, static_cast<int>(last - i));
    }
  });
#endif
}

// All parameters of a model; `parameters` has parameter_layout<Model>::elements.
template <class Model> void initialize(std::span<float> parameters, std::uint64_t seed) {
  for (auto const& e : parameter_layout<Model>::entries) initialize(e, parameters.data() + e.offset, seed);
}

}  // namespace formwork
