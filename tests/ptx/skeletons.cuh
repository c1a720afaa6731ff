// A program on the CUDA device, to be checked.
#pragma once

#include "formwork/backend/cuda/cuda.hpp"
#include "ptx/skeletons.hpp"
#include "support/programs.hpp"

namespace formwork::testing {

template <class Run> void run_and_wait(step_memory const& memory) {
  Run::run(memory);
  cuda::detail::check(cudaStreamSynchronize(static_cast<cudaStream_t>(memory.queue)), "the run");
}
template <class Source, class Device = cuda_device> checked_program checked(const char* name, double tolerance, step_check_options options = {}) {
  using run = step<compiled<Source>, Device>;
  return {name, {.program = Source::make(), .workspace_bytes = run::workspace_bytes, .run = run_and_wait<run>}, tolerance, options};
}

}  // namespace formwork::testing
