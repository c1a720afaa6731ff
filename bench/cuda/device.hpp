// What the benchmarks on a GPU share: its limits, measured in the same process, and the loop that times a call with the
// device's clock. Before each call the cache is filled with other data, by reading, so that nothing is left to write back.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "../measure.hpp"
#include "formwork/backend/cuda/cuda.hpp"

#if defined(FORMWORK_HAS_CUBLAS)
#include <cublas_v2.h>
#endif

namespace formwork::bench {

inline void check(cudaError_t e, const char* what) {
  if (e == cudaSuccess) return;
  std::fprintf(stderr, "%s failed: %s\n", what, cudaGetErrorString(e));
  std::exit(1);
}

static __global__ void read_all(const uint4* from, long count, unsigned* never) {
  unsigned x = 0;
  for (long i = blockIdx.x * static_cast<long>(blockDim.x) + threadIdx.x; i < count; i += static_cast<long>(gridDim.x) * blockDim.x) x ^= from[i].x ^ from[i].w;
  if (x == 0x12345678u) *never = x;  // the memory holds one byte repeated, whose pairs cancel: x is 0
}

struct device_memory {
  std::byte* p = nullptr;
  explicit device_memory(std::size_t bytes) { check(cudaMalloc(&p, bytes > 0 ? bytes : 16), "cudaMalloc"); }
  device_memory(device_memory&& other) noexcept : p(std::exchange(other.p, nullptr)) {}
  device_memory(device_memory const&) = delete;
  device_memory& operator=(device_memory const&) = delete;
  ~device_memory() { cudaFree(p); }
};

class timer {
 public:
  timer() {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
    flushed_ = 2 * static_cast<std::size_t>(properties.l2CacheSize) / 16 * 16;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    check(cudaEventCreate(&begin_), "cudaEventCreate");
    check(cudaEventCreate(&end_), "cudaEventCreate");
    check(cudaMalloc(&flush_, flushed_ + 16), "cudaMalloc");
    check(cudaMemset(flush_, 0x5a, flushed_ + 16), "cudaMemset");
    blocks_ = static_cast<unsigned>(properties.multiProcessorCount) * 4;
  }
  timer(timer const&) = delete;
  cudaStream_t stream = nullptr;

  template <class Run> double seconds(Run const& run) {
    read_all<<<blocks_, 256, 0, stream>>>(static_cast<const uint4*>(flush_), static_cast<long>(flushed_ / 16), reinterpret_cast<unsigned*>(static_cast<std::byte*>(flush_) + flushed_));
    check(cudaEventRecord(begin_, stream), "cudaEventRecord");
    run(stream);
    check(cudaEventRecord(end_, stream), "cudaEventRecord");
    check(cudaEventSynchronize(end_), "a timed call");
    check(cudaGetLastError(), "a timed call");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin_, end_), "cudaEventElapsedTime");
    return 1e-3 * static_cast<double>(milliseconds);
  }
  template <class Run> double median_seconds(int repetitions, Run const& run) {
    for (int i = 0; i < 3; ++i) seconds(run);
    std::vector<double> all;
    for (int i = 0; i < repetitions; ++i) all.push_back(seconds(run));
    return median(all);
  }

 private:
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
  void* flush_ = nullptr;
  std::size_t flushed_ = 0;
  unsigned blocks_ = 1;
};
inline timer& the_timer() {
  static timer t;
  return t;
}

inline std::vector<float> numbers_of(std::size_t count, unsigned seed) {
  std::vector<float> all(count);
  fill_with_numbers(all.data(), count, seed);
  return all;
}
inline device_memory bf16_on_device(std::size_t count, unsigned seed) {
  std::vector<std::uint16_t> bits(count);
  const auto values = numbers_of(count, seed);
  for (std::size_t i = 0; i < count; ++i) bits[i] = bf16(values[i]).bits;
  device_memory m(count * 2);
  check(cudaMemcpy(m.p, bits.data(), count * 2, cudaMemcpyHostToDevice), "cudaMemcpy");
  return m;
}

#if defined(FORMWORK_HAS_CUBLAS)
// C[M, N] = A B in bf16, rows one after the other, sums in f32. Left: A is stored [K, M]; right: B is stored [N, K].
class cublas_product {
 public:
  cublas_product() {
    if (cublasCreate(&handle_) != CUBLAS_STATUS_SUCCESS) std::fprintf(stderr, "cublasCreate failed\n"), std::exit(1);
  }
  void operator()(cudaStream_t stream, long m, long n, long k, bool left, bool right, const void* a, const void* b, void* c) const {
    const float one = 1, zero = 0;
    cublasSetStream(handle_, stream);
    // Of columns one after the other it is C' = B' A'.
    const auto status = cublasGemmEx(handle_, right ? CUBLAS_OP_T : CUBLAS_OP_N, left ? CUBLAS_OP_T : CUBLAS_OP_N, static_cast<int>(n), static_cast<int>(m), static_cast<int>(k), &one, b,
                                     CUDA_R_16BF, static_cast<int>(right ? k : n), a, CUDA_R_16BF, static_cast<int>(left ? m : k), &zero, c, CUDA_R_16BF, static_cast<int>(n),
                                     CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
    if (status != CUBLAS_STATUS_SUCCESS) std::fprintf(stderr, "cublasGemmEx failed: %d\n", static_cast<int>(status)), std::exit(1);
  }

 private:
  cublasHandle_t handle_ = nullptr;
};
inline cublas_product const& the_cublas() {
  static cublas_product c;
  return c;
}
#endif

// FLOP/s of a bf16 product of 8192 x 8192 matrices by cuBLAS; 0 without it.
inline double product_limit() {
#if defined(FORMWORK_HAS_CUBLAS)
  static const double limit = [] {
    constexpr long n = 8192;
    const device_memory a = bf16_on_device(n * n, 1), b = bf16_on_device(n * n, 2), c(n * n * 2);
    const double seconds = the_timer().median_seconds(20, [&](cudaStream_t s) { the_cublas()(s, n, n, n, false, false, a.p, b.p, c.p); });
    return 2.0 * n * n * n / seconds;
  }();
  return limit;
#else
  return 0;
#endif
}

// Bytes/s of a copy within the GPU's memory, each byte read and each written counted.
inline double copy_limit() {
  static const double limit = [] {
    constexpr std::size_t bytes = std::size_t{1} << 30;
    const device_memory from(bytes), to(bytes);
    check(cudaMemset(from.p, 0x3c, bytes), "cudaMemset");
    const double seconds = the_timer().median_seconds(20, [&](cudaStream_t s) { cudaMemcpyAsync(to.p, from.p, bytes, cudaMemcpyDeviceToDevice, s); });
    return 2.0 * static_cast<double>(bytes) / seconds;
  }();
  return limit;
}

constexpr int repetitions = 30;

// Times run(stream) in the benchmark's loop, and returns the median seconds.
template <class Run> double timed(benchmark::State& state, Run const& run) {
  for (int i = 0; i < 3; ++i) the_timer().seconds(run);
  const double time = median_of_loop(state, [&] { return the_timer().seconds(run); });
  state.counters["median_us"] = 1e6 * time;
  return time;
}
inline void against_products(benchmark::State& state, double flops, double seconds) {
  state.counters["TFLOP/s"] = 1e-12 * flops / seconds;
  if (const double limit = product_limit(); limit > 0) {
    state.counters["limit"] = 1e-12 * limit;
    state.counters["of_limit"] = flops / seconds / limit;
  }
}
// A product beside a peer that computes the same, which is timed right after.
template <class Run, class Peer> void timed_beside(benchmark::State& state, double flops, Run const& run, Peer const& peer) {
  const double time = timed(state, run), theirs = the_timer().median_seconds(repetitions, peer);
  state.counters["peer_TFLOP/s"] = 1e-12 * flops / theirs;
  state.counters["to_peer"] = theirs / time;
  against_products(state, flops, time);
}
inline void against_copying(benchmark::State& state, double bytes, double seconds) {
  state.counters["GB/s"] = 1e-9 * bytes / seconds;
  state.counters["limit"] = 1e-9 * copy_limit();
  state.counters["of_limit"] = bytes / seconds / copy_limit();
}

// The first lines of every program; false where there is no GPU.
inline bool print_device() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("SKIPPED: this benchmark needs an NVIDIA GPU, and this machine has none");
    return false;
  }
  cudaDeviceProp p{};
  check(cudaGetDeviceProperties(&p, 0), "cudaGetDeviceProperties");
  int driver = 0;
  cudaDriverGetVersion(&driver);
  std::printf("%s, %d multiprocessors, %.1f GiB, L2 %.0f MiB, CUDA %d.%d, driver for CUDA %d.%d\n", p.name, p.multiProcessorCount, static_cast<double>(p.totalGlobalMem) / (1 << 30),
              static_cast<double>(p.l2CacheSize) / (1 << 20), CUDART_VERSION / 1000, CUDART_VERSION / 10 % 100, driver / 1000, driver / 10 % 100);
  std::printf("copy within memory: %.0f GB/s", 1e-9 * copy_limit());
  if (product_limit() > 0) std::printf("; bf16 product 8192 x 8192 x 8192 by cuBLAS: %.0f TFLOP/s", 1e-12 * product_limit());
  std::puts("");
  std::fflush(stdout);
  return true;
}

inline int run_on_device(int argc, char** argv) { return run_benchmarks(argc, argv, print_device); }

}  // namespace formwork::bench
