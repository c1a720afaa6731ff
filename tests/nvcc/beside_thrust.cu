// A program that uses CUB and Thrust beside Formwork, with using namespace formwork: no name means two things.
#include <cub/device/device_reduce.cuh>
#include <thrust/device_vector.h>
#include <thrust/transform.h>

#include <cstdio>

#include "formwork/backend/cuda/cuda.hpp"
#include "formwork/run/step.hpp"
#include "formwork/passes/simplify.hpp"
#include "formwork/trace/trace.hpp"

using namespace formwork;

struct nothing {};
struct vectors {
  using vector = input<dtype::f32, shape<4096>>;
  BOOST_HANA_DEFINE_STRUCT(vectors, (vector, x), (vector, y));
};
struct sum_and_total {
  template <class V, class S> struct results { BOOST_HANA_DEFINE_STRUCT(results, (V, v), (S, total)); };
  constexpr auto operator()(nothing const&, vectors const& in) const {
    const auto v = in.x * 2.5 + in.y;
    const auto total = sum<>(v);
    return results<std::remove_const_t<decltype(v)>, std::remove_const_t<decltype(total)>>{v, total};
  }
};
struct source {
  static constexpr graph make() { return simplify(trace<sum_and_total, nothing, vectors>()); }
};
struct scale_and_add {
  __host__ __device__ float operator()(float x, float y) const { return x * 2.5f + y; }
};

// Where there is a GPU, both give the same.
int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("compiled and linked; there is no GPU to run it");
    return 0;
  }
  constexpr int n = 4096;
  using run = step<compiled<source>, cuda_device>;
  thrust::device_vector<float> x(n, 1.f), y(n, 2.f), ours(n), theirs(n), total(1), their_total(1);
  thrust::device_vector<unsigned char> workspace(run::workspace_bytes + 256), scratch;
  auto at = [](auto& v) { return static_cast<void*>(thrust::raw_pointer_cast(v.data())); };
  void* inputs[] = {at(x), at(y)};
  void* outputs[] = {at(ours), at(total)};
  run::run({.workspace = static_cast<std::byte*>(at(workspace)), .inputs = inputs, .outputs = outputs});
  thrust::transform(x.begin(), x.end(), y.begin(), theirs.begin(), scale_and_add{});
  std::size_t bytes = 0;
  const float* from = thrust::raw_pointer_cast(theirs.data());
  float* to = thrust::raw_pointer_cast(their_total.data());
  cub::DeviceReduce::Sum(nullptr, bytes, from, to, n);
  scratch.resize(bytes);
  cub::DeviceReduce::Sum(at(scratch), bytes, from, to, n);
  if (cudaDeviceSynchronize() != cudaSuccess) return 1;
  return thrust::equal(ours.begin(), ours.end(), theirs.begin()) && static_cast<float>(total[0]) == static_cast<float>(their_total[0]) ? 0 : 1;
}
