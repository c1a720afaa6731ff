// A program on the CUDA device, to be checked.
#pragma once

#include "formwork/backend/cuda/cuda.hpp"
#include "gpu/skeletons.hpp"
#include "support/programs.hpp"

namespace formwork::testing {

template <class Run> void run_and_wait(step_memory const& memory) {
  Run::run(memory);
  gpu::detail::check(cudaStreamSynchronize(static_cast<cudaStream_t>(memory.queue)), "the run");
}
inline void* take_of_gpu(std::size_t bytes) {
  void* p = nullptr;
  gpu::detail::check(cudaMalloc(&p, bytes), "cudaMalloc");
  return p;
}
inline void give_to_gpu(void* p) { (void)cudaFree(p); }
template <cudaMemcpyKind Way> void copy_of_gpu(void* to, const void* from, std::size_t bytes) {
  gpu::detail::check(cudaMemcpy(to, from, bytes, Way), "cudaMemcpy");
}
inline constexpr device_memory gpu_memory{.take = take_of_gpu, .give = give_to_gpu, .up = copy_of_gpu<cudaMemcpyHostToDevice>, .down = copy_of_gpu<cudaMemcpyDeviceToHost>};

template <class Source, class Device = cuda_device> checked_program checked(const char* name, double tolerance, step_check_options options = {}) {
  using run = step<compiled<Source>, Device>;
  return {name, {.program = Source::make(), .workspace_bytes = run::workspace_bytes, .run = run_and_wait<run>, .memory = &gpu_memory}, tolerance, options};
}

}  // namespace formwork::testing
