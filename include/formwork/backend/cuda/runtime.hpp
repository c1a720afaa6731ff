// runtime: what a session needs of the CUDA runtime. Every error is one sentence that names the call and, where there
// was one, the kernel. Only CUDA compilers see this file.
#pragma once

#if defined(__CUDACC__)

#include <cuda_runtime.h>
#include <nvtx3/nvToolsExt.h>

#include <stdexcept>
#include <string>

#include "entry.hpp"
#include "session.hpp"

namespace formwork::cuda {

// A call of the CUDA runtime failed, or there is no GPU that can do what is asked. The host program goes on.
class cuda_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {
inline std::string gibibytes(std::size_t bytes) {
  const std::size_t tenths = (bytes * 10 + (1u << 30) - 1) >> 30;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " GiB";
}
inline void check(cudaError_t e, const char* call, const char* kernel = nullptr) {
  if (e == cudaSuccess) return;
  std::string text = std::string("CUDA: ") + call + (kernel ? std::string(" of the kernel '") + kernel + "'" : "") + " failed: " + cudaGetErrorString(e) + ".";
  if (e == cudaErrorNoKernelImageForDevice)
    text += " This program was not compiled for this GPU; choose its architecture with -DFORMWORK_CUDA_ARCHITECTURES.";
  if (e == cudaErrorIllegalAddress || e == cudaErrorLaunchFailure || e == cudaErrorAssert || e == cudaErrorMisalignedAddress)
    text += " The GPU's context is lost; start the program again, from its last checkpoint.";
  (void)cudaGetLastError();
  throw cuda_error(text);
}
}  // namespace detail

// The current GPU; throws where there is none, or where it is too old.
inline cudaDeviceProp current_device() {
  int devices = 0, device = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    (void)cudaGetLastError();
    throw cuda_error("CUDA: no GPU is available; build for the CPU (cmake --workflow --preset quickstart), or check the driver with nvidia-smi.");
  }
  cudaDeviceProp p{};
  detail::check(cudaGetDevice(&device), "cudaGetDevice");
  detail::check(cudaGetDeviceProperties(&p, device), "cudaGetDeviceProperties");
  if (p.major < 8)
    throw cuda_error(std::string("CUDA: ") + p.name + " has compute capability " + std::to_string(p.major) + "." + std::to_string(p.minor) + "; at least 8.0 is needed (RTX 30, A100 and later).");
  return p;
}
inline std::string device_name() { return current_device().name; }

// Dense bf16 products with f32 accumulation, flop/s: multiprocessors x clock x what one does in a cycle (NVIDIA's
// architecture papers: A100 2048, H100 4096, the GeForce cards of RTX 30, 40 and 50 512, B200 8192).
inline double tensor_core_peak() {
  int device = 0, kilohertz = 0;
  const cudaDeviceProp p = current_device();
  detail::check(cudaGetDevice(&device), "cudaGetDevice");
  detail::check(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrClockRate, device), "cudaDeviceGetAttribute");
  const int each = p.major == 9 ? 4096 : p.major == 10 ? 8192 : p.major == 8 && p.minor == 0 ? 2048 : 512;
  return static_cast<double>(p.multiProcessorCount) * kilohertz * 1e3 * each;
}

class runtime {
 public:
  using graph = cudaGraphExec_t;

  runtime() = default;
  runtime(runtime const&) = delete;
  runtime& operator=(runtime const&) = delete;
  ~runtime() {
    if (own_) cudaStreamDestroy(stream_);
  }

  // Finds the current GPU and says before anything runs whether it will do.
  void open(std::size_t bytes) {
    const cudaDeviceProp p = current_device();
    std::size_t free = 0, total = 0;
    detail::check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    if (bytes > free)
      throw cuda_error("CUDA: this run needs " + detail::gibibytes(bytes) + " and " + p.name + " has " + detail::gibibytes(free) + " free; choose a smaller batch, or a workspace budget.");
    detail::check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
    own_ = true;
  }

  void* allocate(std::size_t bytes) {
    void* p = nullptr;
    if (cudaMalloc(&p, bytes) != cudaSuccess) {
      (void)cudaGetLastError();
      throw cuda_error("CUDA: there is no room for " + detail::gibibytes(bytes) + " in one piece; choose a smaller batch, or a workspace budget.");
    }
    return p;
  }
  void release(void* p) noexcept { cudaFree(p); }
  void* allocate_pinned(std::size_t bytes) {
    void* p = nullptr;
    detail::check(cudaMallocHost(&p, bytes), "cudaMallocHost");
    return p;
  }
  void release_pinned(void* p) noexcept { cudaFreeHost(p); }

  void* queue() const { return stream_; }
  void clear(void* p, std::size_t bytes) {
    detail::check(cudaMemsetAsync(p, 0, bytes, stream_), "cudaMemsetAsync");
    wait();
  }
  void copy_to_device(void* to, const void* from, std::size_t bytes) { detail::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync"); }
  void copy_to_host(void* to, const void* from, std::size_t bytes) { detail::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "cudaMemcpyAsync"); }
  void wait() { detail::check(cudaStreamSynchronize(stream_), "a step"); }

  // Thread-local: other threads of the program may call CUDA meanwhile.
  void begin_recording() { detail::check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture"); }
  graph end_recording(long& nodes) {
    struct description {
      cudaGraph_t g = nullptr;
      ~description() {
        if (g) cudaGraphDestroy(g);
      }
    } d;
    detail::check(cudaStreamEndCapture(stream_, &d.g), "cudaStreamEndCapture");
    std::size_t count = 0;
    graph e = nullptr;
    detail::check(cudaGraphGetNodes(d.g, nullptr, &count), "cudaGraphGetNodes");
    detail::check(cudaGraphInstantiate(&e, d.g, 0), "cudaGraphInstantiate");
    nodes = static_cast<long>(count);
    return e;
  }
  // Also after a recording whose end failed.
  void abandon_recording() noexcept {
    cudaGraph_t g = nullptr;
    cudaStreamEndCapture(stream_, &g);
    if (g) cudaGraphDestroy(g);
    (void)cudaGetLastError();
  }
  void start(graph g) {
    nvtxRangePushA("formwork step");
    const cudaError_t e = cudaGraphLaunch(g, stream_);
    nvtxRangePop();
    detail::check(e, "cudaGraphLaunch");
  }
  void release_graph(graph g) noexcept { cudaGraphExecDestroy(g); }

 private:
  cudaStream_t stream_ = nullptr;
  bool own_ = false;
};

// Starts one launch on a stream.
struct launcher {
  using session = cuda::session<runtime>;
  template <class Launch, int N> FORMWORK_HIDDEN static void launch(kernel_arguments<N> const& a, void* queue) {
    constexpr launch_shape shape = Launch::shape;
    static_assert(shape.threads % warp == 0 && shape.threads <= 1024 && shape.blocks > 0 && shape.blocks < (1l << 31));
    if constexpr (shape.shared_bytes > 48 * 1024) {
      static const cudaError_t allowed = cudaFuncSetAttribute(entry<Launch, N>, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shape.shared_bytes));
      detail::check(allowed, "cudaFuncSetAttribute", Launch::name);
    }
    nvtxRangePushA(Launch::name);
    entry<Launch, N><<<dim3(static_cast<unsigned>(shape.blocks)), dim3(static_cast<unsigned>(shape.threads)), shape.shared_bytes, static_cast<cudaStream_t>(queue)>>>(a);
    nvtxRangePop();
    detail::check(cudaGetLastError(), "the launch", Launch::name);
  }
};

}  // namespace formwork::cuda

#endif  // __CUDACC__
