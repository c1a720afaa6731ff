// The machine's own limit, measured where a program reports a fraction of it.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

#include "../backend/cpu/simd.hpp"
#include "../backend/cpu/threads.hpp"

namespace formwork {

namespace detail {

// Twelve independent chains of multiply-adds in registers cover a latency of 4 to 6 cycles on two units.
[[gnu::noinline]] inline void multiply_add_chains(long rounds, float* values) {
  using vector = cpu::pack<float, cpu::native_width<float>>;
  constexpr int chains = 12;
  vector sum[chains];
  for (int i = 0; i < chains; ++i) sum[i] = vector(static_cast<float>(i));
  const vector factor(values[0]), term(values[1]);
  for (long n = 0; n < rounds; ++n) {
    FORMWORK_UNROLL_HOST
    for (int i = 0; i < chains; ++i) sum[i] = cpu::fma(sum[i], factor, term);
  }
  for (int i = 1; i < chains; ++i) sum[0] += sum[i];
  values[2] = sum[0][0];
}

}  // namespace detail

// f32 multiply-adds of all threads in flop/s, two per multiply-add. The best of windows of about a millisecond within
// `seconds`: others' work on the machine only makes a window slower.
inline double multiply_add_peak(double seconds = 0.3) {
  using clock = std::chrono::steady_clock;
  constexpr long rounds = 200'000;
  constexpr double flops = 2.0 * 12 * cpu::native_width<float> * rounds;
  const auto begin = clock::now();
  double best = 0;
  for (bool first = true;; first = false) {
    int used = 1;
    const auto start = clock::now();
    cpu::parallel_threads(cpu::thread_count(), [&](int thread, int team) {
      float values[3] = {0.999f, 0.001f, 0};
      detail::multiply_add_chains(rounds, values);
      [[maybe_unused]] volatile float sink = values[2];
      if (thread == 0) used = team;
    });
    const auto end = clock::now();
    if (!first) best = std::max(best, flops * used / std::chrono::duration<double>(end - start).count());  // the first wakes the threads
    if (!first && end - begin > std::chrono::duration<double>(seconds)) return best;
  }
}

}  // namespace formwork
