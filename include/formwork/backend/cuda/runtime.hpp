// runtime: what a session needs of the CUDA runtime. Every error is one sentence that names the call and, where there
// was one, the kernel. Only CUDA compilers see this file.
#pragma once

#if defined(__CUDACC__)

#include <cuda_runtime.h>

// NVTX comes as definitions, over a second of every translation unit where GCC optimizes them; none of them does any work.
#if defined(__GNUC__) && !defined(__clang__)
#pragma nv_diag_suppress 1675  // a pragma that is GCC's alone
#pragma GCC push_options
#pragma GCC optimize("O0")
#endif
#include <nvtx3/nvToolsExt.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#pragma nv_diag_default 1675
#endif

#include <string>
#include <vector>

#include "entry.hpp"
#include "errors.hpp"
#include "session.hpp"

namespace formwork::gpu {

namespace detail {

constexpr failure kind_of(cudaError_t e) {
  switch (e) {
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction: return failure::no_code;
    // What leaves nothing of a context usable.
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorIllegalInstruction:
    case cudaErrorHardwareStackError:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContextIsDestroyed: return failure::context;
    default: return failure::call;
  }
}
inline void check(cudaError_t e, const char* call, const char* kernel = nullptr) {
  if (e == cudaSuccess) return;
  (void)cudaGetLastError();
  throw failed(call, kernel, cudaGetErrorString(e), kind_of(e));
}

// Whether this shared object has code for the current GPU; the program's other kernels are compiled for the same ones.
FORMWORK_HIDDEN inline void check_code(gpu_facts const& gpu) {
  cudaFuncAttributes a{};
  const cudaError_t e = cudaFuncGetAttributes(&a, probe<0>);
  if (e == cudaSuccess) return;
#if defined(__CUDA_ARCH_LIST__)
  constexpr int listed[] = {__CUDA_ARCH_LIST__};  // 100 major + 10 minor
  if (kind_of(e) == failure::no_code) {
    (void)cudaGetLastError();
    std::vector<int> compiled_for;
    for (const int a : listed) compiled_for.push_back(a / 10);
    throw no_code(gpu, compiled_for);
  }
#endif
  check(e, "a look at this program's kernels");
}

inline stream_facts facts_of(cudaStream_t stream, int current) {
  stream_facts s{.gpu = current};
  s.blocks = stream == cudaStreamLegacy;
  if (s.blocks) return s;
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  s.known = cudaStreamIsCapturing(stream, &status) == cudaSuccess;
  s.records = s.known && status != cudaStreamCaptureStatusNone;
#if CUDART_VERSION >= 12080
  s.known = s.known && cudaStreamGetDevice(stream, &s.gpu) == cudaSuccess;
#endif
  (void)cudaGetLastError();
  return s;
}

}  // namespace detail

// The current GPU; throws where there is none, or where it is too old.
inline gpu_facts current_gpu() {
  gpu_facts gpu;
  int devices = 0;
  const cudaError_t counted = cudaGetDeviceCount(&devices);
  if (counted != cudaSuccess || devices == 0) {
    (void)cudaGetLastError();
    throw detail::no_gpu(counted == cudaSuccess ? "there is none in this machine" : cudaGetErrorString(counted));
  }
  cudaDeviceProp p{};
  std::size_t total = 0;
  detail::check(cudaGetDevice(&gpu.number), "cudaGetDevice");
  detail::check(cudaGetDeviceProperties(&p, gpu.number), "cudaGetDeviceProperties");
  gpu.name = p.name;
  gpu.major = p.major;
  gpu.minor = p.minor;
  detail::check_age(gpu);
  detail::check(cudaMemGetInfo(&gpu.free_bytes, &total), "cudaMemGetInfo");
  return gpu;
}
inline std::string device_name() { return current_gpu().name; }

// Dense bf16 products with f32 accumulation, flop/s: multiprocessors x clock x what one does in a cycle (NVIDIA's
// architecture papers: A100 2048, H100 4096, the GeForce cards of RTX 30, 40 and 50 512, B200 8192).
inline double tensor_core_peak() {
  const gpu_facts gpu = current_gpu();
  int kilohertz = 0, multiprocessors = 0;
  detail::check(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrClockRate, gpu.number), "cudaDeviceGetAttribute");
  detail::check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, gpu.number), "cudaDeviceGetAttribute");
  const int each = gpu.major == 9 ? 4096 : gpu.major == 10 ? 8192 : gpu.major == 8 && gpu.minor == 0 ? 2048 : 512;
  return static_cast<double>(multiprocessors) * kilohertz * 1e3 * each;
}

class runtime {
 public:
  using graph = cudaGraphExec_t;
  using event = cudaEvent_t;

  runtime() = default;
  runtime(runtime const&) = delete;
  runtime& operator=(runtime const&) = delete;
  ~runtime() {
    if (own_) cudaStreamDestroy(stream_);
  }

  // Says before anything runs whether the current GPU, and what the caller gives, will do.
  FORMWORK_HIDDEN void open(std::size_t bytes, session_options const& given) {
    const gpu_facts gpu = current_gpu();
    detail::check_code(gpu);
    given_ = given;
    device_ = gpu.number;
    if (!given.allocate) detail::check_memory(gpu, bytes);
    if (given.stream) {
      stream_ = static_cast<cudaStream_t>(given.stream);
      detail::check_stream(detail::facts_of(stream_, device_), gpu);
    } else {
      detail::check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
      own_ = true;
    }
  }
  // Before each use: CUDA calls of a thread go to its current GPU.
  void enter() const {
    int current = 0;
    detail::check(cudaGetDevice(&current), "cudaGetDevice");
    detail::check_current(device_, current);
  }
  // What is under way is done, or has failed.
  void settle() noexcept {
    cudaStreamSynchronize(stream_);
    (void)cudaGetLastError();
  }

  memory_block allocate(std::size_t bytes) {
    memory_block m{nullptr, bytes};
    if (given_.allocate) {
      m.begin = given_.allocate(bytes, stream_, given_.pool);
      if (!m) throw detail::no_room(bytes, "the caller's allocator");
      return m;
    }
    if (cudaMalloc(&m.begin, bytes) != cudaSuccess) {
      (void)cudaGetLastError();
      throw detail::no_room(bytes, "the GPU");
    }
    return m;
  }
  void release(memory_block m) noexcept {
    if (given_.allocate) given_.release(m.begin, m.bytes, stream_, given_.pool);
    else cudaFree(m.begin);
  }
  memory_block allocate_pinned(std::size_t bytes) {
    memory_block m{nullptr, bytes};
    detail::check(cudaMallocHost(&m.begin, bytes), "cudaMallocHost");
    return m;
  }
  void release_pinned(memory_block m) noexcept { cudaFreeHost(m.begin); }

  void* queue() const { return stream_; }
  void clear(void* p, std::size_t bytes) {
    detail::check(cudaMemsetAsync(p, 0, bytes, stream_), "cudaMemsetAsync");
    wait();
  }
  void copy_to_device(void* to, const void* from, std::size_t bytes) { detail::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync"); }
  void copy_to_host(void* to, const void* from, std::size_t bytes) { detail::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "cudaMemcpyAsync"); }
  void wait() { detail::check(cudaStreamSynchronize(stream_), "a step"); }

  event make_event() {
    event e = nullptr;
    detail::check(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), "cudaEventCreate");
    return e;
  }
  void release_event(event e) noexcept { cudaEventDestroy(e); }
  // It comes when what the stream has been given so far is done, or has failed.
  void record(event e) { detail::check(cudaEventRecord(e, stream_), "cudaEventRecord"); }
  void wait(event e) { detail::check(cudaEventSynchronize(e), "a step"); }

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
  FORMWORK_HIDDEN void check_each_launch(bool yes);
  void start(graph g) {
    nvtxRangePushA("formwork step");
    const cudaError_t e = cudaGraphLaunch(g, stream_);
    nvtxRangePop();
    detail::check(e, "cudaGraphLaunch");
  }
  void release_graph(graph g) noexcept { cudaGraphExecDestroy(g); }

 private:
  session_options given_;
  cudaStream_t stream_ = nullptr;
  int device_ = 0;
  bool own_ = false;
};

// Starts one launch on a stream.
struct launcher {
  using session = gpu::session<runtime>;
  // Of this thread: an error comes back from the launch that has it.
  FORMWORK_HIDDEN static inline thread_local bool waits = false;

  template <class Launch, int N> FORMWORK_HIDDEN static void launch(kernel_arguments<N> const& a, void* queue) {
    constexpr launch_shape shape = Launch::shape;
    static_assert(shape.threads % warp == 0 && shape.threads <= 1024 && shape.blocks > 0 && shape.blocks < (1l << 31));
    const auto stream = static_cast<cudaStream_t>(queue);
    void (*const run)(kernel_arguments<N>) = entry<Launch, N>;
    const auto kernel = reinterpret_cast<const void*>(run);  // a template's name is not what every release's functions take
    if constexpr (shape.shared_bytes > 48 * 1024)  // of the current GPU, so not once and for all
      detail::check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shape.shared_bytes)), "cudaFuncSetAttribute", Launch::name);
    void* arguments[] = {const_cast<kernel_arguments<N>*>(&a)};
    nvtxRangePushA(Launch::name);
    const cudaError_t e =
        cudaLaunchKernel(kernel, dim3(static_cast<unsigned>(shape.blocks)), dim3(static_cast<unsigned>(shape.threads)), arguments, shape.shared_bytes, stream);
    nvtxRangePop();
    detail::check(e, "the launch", Launch::name);
    if (waits) detail::check(cudaStreamSynchronize(stream), "the run", Launch::name);
  }
};

inline void runtime::check_each_launch(bool yes) { launcher::waits = yes; }

}  // namespace formwork::gpu

#endif  // __CUDACC__
