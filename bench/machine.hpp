// The machine's own limits, measured in the same process and minutes as the figures held against them.
#pragma once

#include <cstddef>
#include <vector>

#include "formwork/backend/cpu/simd.hpp"
#include "formwork/backend/cpu/threads.hpp"
#include "formwork/core/arena.hpp"
#include "formwork/run/machine.hpp"
#include "measure.hpp"

namespace formwork::bench {

// Copy bandwidth of all threads from and to main memory, bytes/s, counting each byte read and each written
// once; ordinary stores. The median of `windows` copies of `bytes` bytes, in memory as runs have it.
inline double copy_bandwidth(int threads = cpu::thread_count(), int windows = 7, std::size_t bytes = 256u << 20) {
  using vector = cpu::pack<float, cpu::native_width<float>>;
  const std::ptrdiff_t count = static_cast<std::ptrdiff_t>(bytes / sizeof(float)) / vector::width * vector::width;
  const arena memory_from(bytes), memory_to(bytes);
  float* const from = reinterpret_cast<float*>(memory_from.data());
  float* const to = reinterpret_cast<float*>(memory_to.data());
  std::vector<double> rates;
  for (int w = -1; w < windows; ++w) {  // the first window touches the pages
    const double start = seconds_now();
    cpu::parallel_threads(threads, [&](int thread, int team) {
      const auto part = cpu::part_of(count / vector::width, thread, team);
      for (std::ptrdiff_t i = part.begin * vector::width; i < part.end * vector::width; i += vector::width) {
        if (w < 0) vector(1.f).store(from + i);
        vector::load(from + i).store(to + i);
      }
    });
    if (w >= 0) rates.push_back(2.0 * sizeof(float) * count / (seconds_now() - start));
  }
  return median(rates);
}

}  // namespace formwork::bench
