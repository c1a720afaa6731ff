// Each instruction of a lane on one warp of the GPU.
#include "formwork/backend/cuda/runtime.hpp"
#include "formwork/backend/cuda/sm80/lane.hpp"
#include "gpu/instruction_cases.hpp"
#include "gpu/instructions.hpp"

namespace formwork::testing {

namespace {
__global__ void run_on_lane(instruction which, const std::uint32_t* in, std::uint32_t* out) {
  gpu::sm80::lane lane;
  run_instruction(lane, which, in, out);
}
}  // namespace

std::vector<std::uint32_t> on_gpu(int which, std::vector<std::uint32_t> const& in) {
  using gpu::detail::check;
  std::vector<std::uint32_t> out(32 * words_out);
  std::uint32_t *device_in = nullptr, *device_out = nullptr;
  check(cudaMalloc(&device_in, in.size() * 4), "cudaMalloc");
  check(cudaMalloc(&device_out, out.size() * 4), "cudaMalloc");
  check(cudaMemcpy(device_in, in.data(), in.size() * 4, cudaMemcpyHostToDevice), "cudaMemcpy");
  check(cudaMemset(device_out, 0xc1, out.size() * 4), "cudaMemset");
  run_on_lane<<<1, 32, case_shared_bytes>>>(static_cast<instruction>(which), device_in, device_out);
  check(cudaGetLastError(), "the launch", instruction_names[which]);
  check(cudaMemcpy(out.data(), device_out, out.size() * 4, cudaMemcpyDeviceToHost), "cudaMemcpy");
  cudaFree(device_in);
  cudaFree(device_out);
  return out;
}

}  // namespace formwork::testing
