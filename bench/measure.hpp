// What every benchmark shares: the clock, the median, the loop that times calls, numbers to work on, and main.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace formwork::bench {

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
template <class Run> double seconds_of(Run const& run) {
  const double start = seconds_now();
  run();
  return seconds_now() - start;
}

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The benchmark's loop: each iteration calls once(), which returns its seconds. The median of them.
template <class Once> double median_of_loop(benchmark::State& state, Once const& once) {
  std::vector<double> seconds;
  for (auto _ : state) {
    seconds.push_back(once());
    state.SetIterationTime(seconds.back());
  }
  return median(seconds);
}

// Numbers in (-1, 1) that differ: zeros would let a machine run faster than on data.
inline void fill_with_numbers(float* p, std::size_t count, unsigned seed) {
  for (std::size_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    p[i] = static_cast<float>(seed >> 8) / 8388608.0f - 1.0f;
  }
}

// What is registered, as the command line says; `first` runs before it. The result of main.
template <class First> int run_benchmarks(int argc, char** argv, First const& first) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  if (!first()) return 0;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
inline int run_benchmarks(int argc, char** argv) { return run_benchmarks(argc, argv, [] { return true; }); }

}  // namespace formwork::bench
