// What a kernel gets at a launch.
#pragma once

#include <cstdint>

#include "../core/config.hpp"

namespace formwork {

// What the random numbers of a step are made from. A GPU reads it from its own memory, so that a recorded step can be
// run again with another one.
struct random_state {
  std::uint64_t seed = 0;  // of the run
  std::uint32_t step = 0;  // of training
};

struct launch_context {
  void* const* arguments = nullptr;  // one pointer per argument, the loop's iteration already applied
  void* scratch = nullptr;           // kernel scratch, at least scratch_bytes of the kernel
  const random_state* random = nullptr;
  std::uint32_t iteration = 0;       // of the loop
  void* queue = nullptr;             // where a device orders its launches: a CUDA stream
};

// The Philox stream of one random node in one step and iteration; element i of the node is number i of the stream.
FORMWORK_FN constexpr std::uint64_t random_stream(std::uint32_t step, std::uint32_t stream, std::uint32_t iteration) {
  return static_cast<std::uint64_t>(step) << 32 | static_cast<std::uint64_t>(stream & 0xffffu) << 16 | (iteration & 0xffffu);
}

}  // namespace formwork
