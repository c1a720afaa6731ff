// session_options: what a run on a GPU takes from its caller. Left as it is: the current GPU, a stream of the run's own,
// cudaMalloc.
#pragma once

#include <cstddef>

namespace formwork::gpu {

struct session_options {
  // A cudaStream_t of the current GPU, which outlives the run and can be recorded (not the default stream). Everything
  // of the run is ordered on it; when a call of the run returns, its work there is done, but for a step's begin().
  void* stream = nullptr;

  // Device memory from the caller: at a multiple of 256 bytes, for work on `stream`; null or an exception where there
  // is none. What was allocated is released once, with the same number of bytes, and release throws nothing.
  void* (*allocate)(std::size_t bytes, void* stream, void* pool) = nullptr;
  void (*release)(void* memory, std::size_t bytes, void* stream, void* pool) = nullptr;
  void* pool = nullptr;  // whatever the two want to know

  // Slow, to find an error: launches run one by one, without a graph, and an error names the kernel that has it.
  bool check_each_launch = false;
};

}  // namespace formwork::gpu
