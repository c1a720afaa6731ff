// What the benchmarks of compute-bound kernels share: their memory, and how a call is held against peak and peer.
#pragma once

#include <type_traits>
#include <vector>

#include "formwork/core/arena.hpp"
#include "machine.hpp"

namespace formwork::bench {

// Numbers in memory as a run has it: the same for every competitor.
struct buffer {
  arena memory;
  float* p;
  explicit buffer(std::size_t count, unsigned seed = 1) : memory(count * sizeof(float)), p(reinterpret_cast<float*>(memory.data())) { fill_with_numbers(p, count, seed); }
};

// Times run() in the benchmark's loop. Counters: GFLOP/s of the median, and its fraction of the multiply-add peak
// measured right before and after. A peer that computes the same takes turns with it: `peer_GFLOP/s`, and `to_peer`, the
// median of the peer's time over that of the call before it. Returns the median seconds.
struct no_peer {};
template <class Run, class Peer = no_peer> double timed(benchmark::State& state, double flops, Run const& run, Peer const& peer = {}) {
  constexpr double window = 0.02;
  constexpr bool has_peer = !std::is_same_v<Peer, no_peer>;
  run();
  if constexpr (has_peer) peer();
  const double before = multiply_add_peak(window);
  std::vector<double> peer_seconds, ratios;
  const double time = median_of_loop(state, [&] {
    const double seconds = seconds_of(run);
    if constexpr (has_peer) {
      peer_seconds.push_back(seconds_of(peer));
      ratios.push_back(peer_seconds.back() / seconds);
    }
    return seconds;
  });
  const double peak = (before + multiply_add_peak(window)) / 2;
  state.counters["median_ms"] = 1e3 * time;
  state.counters["GFLOP/s"] = flops / time / 1e9;
  state.counters["of_peak"] = flops / time / peak;
  state.counters["peak"] = peak / 1e9;
  if constexpr (has_peer) {
    state.counters["peer_GFLOP/s"] = flops / median(peer_seconds) / 1e9;
    state.counters["to_peer"] = median(ratios);
  }
  return time;
}

}  // namespace formwork::bench
