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

// Copies by all threads from and to main memory, with ordinary stores, in memory as runs have it. A call is one copy, and
// gives its bytes/s, each byte read and each written counted once.
class memory_copy {
  using vector = cpu::pack<float, cpu::native_width<float>>;
  std::ptrdiff_t vectors;
  arena memory_from, memory_to;

 public:
  explicit memory_copy(std::size_t bytes = 256u << 20)
      : vectors(static_cast<std::ptrdiff_t>(bytes / sizeof(float)) / vector::width), memory_from(bytes), memory_to(bytes) {
    copy([](float* from, float*) { vector(1.f).store(from); });
    (*this)();  // touches the pages
  }
  double operator()() const {
    const double seconds = seconds_of([&] { copy([](float* from, float* to) { vector::load(from).store(to); }); });
    return 2.0 * sizeof(float) * vector::width * static_cast<double>(vectors) / seconds;
  }

 private:
  template <class Each> void copy(Each each) const {
    float* const from = reinterpret_cast<float*>(memory_from.data());
    float* const to = reinterpret_cast<float*>(memory_to.data());
    cpu::parallel_threads(cpu::thread_count(), [&](int thread, int team) {
      const auto part = cpu::part_of(vectors, thread, team);
      for (std::ptrdiff_t i = part.begin * vector::width; i < part.end * vector::width; i += vector::width) each(from + i, to + i);
    });
  }
};

// The median of so many copies.
inline double copy_bandwidth(int copies) {
  const memory_copy copy;
  std::vector<double> rates;
  for (int n = 0; n < copies; ++n) rates.push_back(copy());
  return median(rates);
}

}  // namespace formwork::bench
