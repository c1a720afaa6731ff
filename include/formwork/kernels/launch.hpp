// What a kernel gets at a launch.
#pragma once

#include <cstdint>

namespace formwork {

struct launch_context {
  void* const* arguments = nullptr;  // one pointer per argument, the loop's iteration already applied
  void* scratch = nullptr;           // kernel scratch, at least scratch_bytes of the kernel
  std::uint64_t seed = 0;            // of the run
  std::uint32_t step = 0;            // of training
  std::uint32_t iteration = 0;       // of the loop
};

// The Philox stream of one random node in one step and iteration; element i of the node is number i of the stream.
constexpr std::uint64_t random_stream(std::uint32_t step, std::uint32_t stream, std::uint32_t iteration) {
  return static_cast<std::uint64_t>(step) << 32 | static_cast<std::uint64_t>(stream & 0xffffu) << 16 | (iteration & 0xffffu);
}

}  // namespace formwork
