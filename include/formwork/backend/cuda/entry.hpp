// The one __global__ function: a launch becomes a kernel. Hidden, so that two shared objects of one process do not
// clash over it.
#pragma once

#if defined(__CUDACC__)

#include "execute.hpp"
#include "sm80/lane.hpp"

namespace formwork::gpu {

// Threads and SharedBytes stand in the kernel's name, where what reads the compiler's report finds them.
template <class Launch, int N, int Threads = Launch::shape.threads, long SharedBytes = static_cast<long>(Launch::shape.shared_bytes)>
FORMWORK_HIDDEN __global__ void __launch_bounds__(Threads, Launch::shape.blocks_per_multiprocessor) entry(const __grid_constant__ kernel_arguments<N> a) {
  sm80::lane lane;
  Launch::run(lane, a);
}

namespace detail {
// Does nothing; that it is there says that this shared object has code for a GPU.
template <int> FORMWORK_HIDDEN __global__ void probe() {}
}  // namespace detail

}  // namespace formwork::gpu

#endif  // __CUDACC__
