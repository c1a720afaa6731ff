// The one __global__ function: a launch becomes a kernel. Hidden, so that two shared objects of one process do not
// clash over it.
#pragma once

#if defined(__CUDACC__)

#include "execute.hpp"
#include "sm80/lane.hpp"

namespace formwork::gpu {

// nvcc 12.4 gives the attribute to a function of its own, too, where it means nothing; the kernels are hidden all the same.
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wattributes"
#endif

// Threads and SharedBytes stand in the kernel's name, where what reads the compiler's report finds them.
template <class Launch, int N, int Threads = Launch::shape.threads, long SharedBytes = static_cast<long>(Launch::shape.shared_bytes)>
FORMWORK_HIDDEN __global__ void __launch_bounds__(Threads, Launch::shape.blocks_per_multiprocessor) entry(const __grid_constant__ kernel_arguments<N> a) {
#if defined(__CUDA_ARCH__)
  static_assert(N < 0 || __CUDA_ARCH__ >= 800, "formwork: the kernels need compute capability 8.0 or later; compile with -arch=sm_80 or a newer one (CMake: CMAKE_CUDA_ARCHITECTURES)");
#endif
  sm80::lane lane;
  Launch::run(lane, a);
}

namespace detail {
// Does nothing; that it is there says that this shared object has code for a GPU.
template <int> FORMWORK_HIDDEN __global__ void probe() {}
}  // namespace detail

#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

}  // namespace formwork::gpu

#endif  // __CUDACC__
