// Runs a traced function's kernels in the emulator, with many orders of the lanes, against the f64 interpreter and
// against itself: no order may change a bit.
#pragma once

#include "emulator/device.hpp"
#include "formwork/ops/sin.hpp"
#include "support/catch.hpp"
#include "support/guarded.hpp"
#include "support/programs.hpp"
#include "support/step_check.hpp"

namespace formwork::testing {

template <class Source, class Options = gpu::options<>> void check_on_emulator(double tolerance, step_check_options o = {}) {
  std::vector<comparison> first;
  for (int seed = 1; seed <= 16; ++seed) {
    emulator::settings how{.seed = static_cast<std::uint64_t>(seed)};
    o.queue = &how;
    CAPTURE(seed);
    auto all = check_step<Source, emulator::device<Options>>(tolerance, o);
    if (seed == 1) first = all;
    else
      for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i].bits == first[i].bits);
  }
}

// A fault is met by a wrong result, a report or a write outside of the kernel's buffers, in one order of the lanes at least.
// `only` names the kernel that has it; null: all.
template <class Source, class Options = gpu::options<>>
bool is_caught(double tolerance, emulator::fault wrong, int at, const char* only = nullptr, step_check_options o = {}, int seeds = 16) {
  for (int seed = 1; seed <= seeds; ++seed) {
    emulator::settings how{.seed = static_cast<std::uint64_t>(seed), .wrong = wrong, .at = at, .only = only};
    o.queue = &how;
    try {
      for (auto const& c : compare_step<Source, emulator::device<Options>>(o))
        if (!(c.error <= tolerance)) return true;
    } catch (emulator::report const&) {
      return true;
    } catch (wrote_outside const&) {
      return true;
    }
  }
  return false;
}

// The first of the barriers and waits of a kernel, each left out.
struct synchronization { int barriers, waits; };
template <class Source, class Options = gpu::options<>> void check_faults(double tolerance, synchronization s, std::vector<emulator::fault> const& others = {}) {
  using emulator::fault;
  CHECK_FALSE(is_caught<Source, Options>(tolerance, fault::none, 0));
  for (int at = 0; at < s.barriers; ++at) {
    CAPTURE(at);
    CHECK(is_caught<Source, Options>(tolerance, fault::drop_barrier, at));
  }
  for (int at = 0; at < s.waits; ++at) {
    CAPTURE(at);
    CHECK(is_caught<Source, Options>(tolerance, fault::drop_wait, at));
  }
  for (fault wrong : others) {
    CAPTURE(static_cast<int>(wrong));
    CHECK(is_caught<Source, Options>(tolerance, wrong, 0));
  }
}

}  // namespace formwork::testing
