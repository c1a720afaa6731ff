// The GPU of this machine, and one that is asked for too much.
#include "formwork/backend/cuda/runtime.hpp"
#include "gpu/training.hpp"

namespace formwork::testing {

std::string gpu_name() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    (void)cudaGetLastError();
    return {};
  }
  cudaDeviceProp p{};
  if (cudaGetDeviceProperties(&p, 0) != cudaSuccess) return {};
  return p.name;
}

memory_refusal ask_for_too_much() {
  using session = gpu::session<gpu::runtime>;
  memory_refusal r;
  std::size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  try {
    session s(total + (std::size_t{1} << 30), 64, 1);
  } catch (gpu::cuda_error const& e) {
    r.sentence = e.what();
  }
  session small(1 << 20, 64, 1);
  std::byte* seen = small.view(0, 64);
  seen[5] = std::byte{7};
  small.commit(0, 64);
  r.goes_on = small.view(0, 64)[5] == std::byte{7} && small.view(64, 64)[0] == std::byte{0};
  return r;
}

}  // namespace formwork::testing
