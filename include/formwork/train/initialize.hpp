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

namespace detail {
// to[i] = scale * philox::normal(seed, stream, first + i). A program may have objects of g++ and of nvcc, whose host
// compiler does not see the vectors: the same numbers, but two functions, because a linker keeps one of each name. (Of
// `initialize`, too: whichever it keeps finds its own.)
#if defined(__CUDACC__)
inline void fill_normal_by_elements(float* to, std::ptrdiff_t count, float scale, std::uint64_t seed, std::uint64_t stream, std::uint64_t first) {
  cpu::parallel_ranges(count, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t i = begin; i < end; ++i) to[i] = scale * philox::normal(seed, stream, first + static_cast<std::uint64_t>(i));
  });
}
#else
inline void fill_normal_by_vectors(float* to, std::ptrdiff_t count, float scale, std::uint64_t seed, std::uint64_t stream, std::uint64_t first) {
  constexpr std::ptrdiff_t width = cpu::native_width<float>;
  cpu::parallel_ranges((count + width - 1) / width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t i = begin * width, last = std::min(end * width, count); i < last; i += width) {
      const auto x = cpu::pack<float, width>(scale) * cpu::random_normal<width>(seed, stream, first + static_cast<std::uint64_t>(i));
      if (i + width <= last)
        x.store(to + i);
      else
        x.store(to + i, static_cast<int>(last - i));
    }
  });
}
#endif
}  // namespace detail

// Element i of parameter p (its layers one after the other) starts as scale times number i of the stream of
// p, wherever it lies: philox::normal(seed, initial_stream(p), i).
inline void initialize(parameter_entry const& e, float* to, std::uint64_t seed) {
  if (e.start != initial::normal) {
    std::fill_n(to, e.elements, e.start == initial::ones ? 1.f : 0.f);
    return;
  }
  const std::uint64_t stream = initial_stream(e.parameter), first = static_cast<std::uint64_t>(e.first);
  const float scale = static_cast<float>(e.scale);
#if defined(__CUDACC__)
  detail::fill_normal_by_elements(to, e.elements, scale, seed, stream, first);
#else
  detail::fill_normal_by_vectors(to, e.elements, scale, seed, stream, first);
#endif
}

// All parameters of a model; `parameters` has parameter_layout<Model>::elements.
template <class Model> void initialize(std::span<float> parameters, std::uint64_t seed) {
  for (auto const& e : parameter_layout<Model>::entries) initialize(e, parameters.data() + e.offset, seed);
}

}  // namespace formwork
