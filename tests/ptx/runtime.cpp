// The CUDA runtime's functions, as far as sessions call them, over a machine that runs PTX on the host: link this instead
// of cudart, and compile the .cu files with -gencode=arch=compute_80,code=compute_80 --no-compress. Work of a stream is
// done when somebody waits for it, so that who does not wait reads what was there before. Memory is bytes of a NaN until
// written.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>

#include "machine.hpp"

using namespace formwork;

// What a stream has still to do, or what was recorded of it.
using work = std::deque<std::function<cudaError_t()>>;
struct CUgraph_st { work nodes; };
struct CUgraphExec_st { work nodes; };
struct CUstream_st {
  work waiting;
  std::uint64_t given = 0;  // pieces of work since the beginning, those that wait included
  std::unique_ptr<CUgraph_st> recording;
};
struct CUevent_st {
  cudaStream_t of = nullptr;
  std::uint64_t place = 0;  // in what the stream has been given
};
struct CUkern_st {
  struct program* of = nullptr;
  std::string name;
  ptx::kernel const* code = nullptr;
  int shared_allowed = 48 * 1024;  // bytes of a launch, until more is asked for
};
struct program {
  std::string_view text;
  std::optional<ptx::module> read;
};

namespace {

// An A100's, for which PTX of sm_80 is compiled: 163 KiB of a multiprocessor's memory for a block (CUDA programming guide,
// technical specifications per compute capability).
constexpr int most_shared = 163 * 1024;

struct machine {
  std::list<program> programs;
  std::unordered_map<const void*, std::unique_ptr<CUkern_st>> kernels;
  ptx::allocations device;
  std::map<std::uintptr_t, std::size_t> pinned;
  std::set<cudaStream_t> streams;
  CUstream_st legacy;
  cudaError_t last = cudaSuccess;     // of the calls since somebody asked
  cudaError_t broken = cudaSuccess;   // sticky
  std::string fault;
  std::uint64_t launches = 0;
  struct configuration { dim3 grid, block; std::size_t shared; cudaStream_t stream; };
  std::vector<configuration> configurations;
};
machine& the() {
  static machine m;
  return m;
}

cudaError_t answer(cudaError_t e) {
  if (the().broken != cudaSuccess) e = the().broken;
  if (e != cudaSuccess) the().last = e;
  return e;
}
CUstream_st& stream_of(cudaStream_t s) { return s == nullptr || s == cudaStreamLegacy ? the().legacy : *s; }
cudaError_t enqueue(cudaStream_t s, std::function<cudaError_t()> what) {
  CUstream_st& stream = stream_of(s);
  (stream.recording ? stream.recording->nodes : stream.waiting).push_back(std::move(what));
  stream.given += !stream.recording;
  return cudaSuccess;
}
// The first pieces of work that it has been given.
cudaError_t finish(CUstream_st& s, std::uint64_t first) {
  if (s.recording) return cudaErrorStreamCaptureUnsupported;
  while (!s.waiting.empty() && s.given - s.waiting.size() < first) {
    const auto w = std::move(s.waiting.front());
    s.waiting.pop_front();
    if (the().broken != cudaSuccess) continue;
    if (const cudaError_t e = w(); e != cudaSuccess) the().broken = e;
  }
  return the().broken;
}
cudaError_t finish(CUstream_st& s) { return finish(s, s.given); }
cudaError_t finish_all() {
  for (cudaStream_t s : the().streams)
    if (!s->recording) finish(*s);
  return finish(the().legacy);
}

// Whether all of these bytes lie in one allocation.
bool within(std::map<std::uintptr_t, std::size_t> const& memory, const void* p, std::size_t bytes) {
  const auto at = reinterpret_cast<std::uintptr_t>(p);
  auto a = memory.upper_bound(at);
  return a != memory.begin() && (--a, at + bytes <= a->first + a->second);
}
cudaError_t copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if ((kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice) && !within(the().device, to, bytes)) return cudaErrorInvalidValue;
  if ((kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice) && !within(the().device, from, bytes)) return cudaErrorInvalidValue;
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t launch(CUkern_st* k, dim3 grid, dim3 block, void** arguments, std::size_t shared, cudaStream_t stream) {
  if (!k || !k->code) return cudaErrorInvalidDeviceFunction;
  ptx::kernel const& code = *k->code;
  const unsigned threads = block.x * block.y * block.z;
  if (block.y != 1 || block.z != 1 || grid.y != 1 || grid.z != 1 || grid.x == 0 || threads == 0) return cudaErrorInvalidConfiguration;
  if (threads % ptx::lanes != 0 || threads > static_cast<unsigned>(code.most_threads)) return cudaErrorInvalidConfiguration;
  if (static_cast<long>(shared) + code.static_shared > k->shared_allowed) return cudaErrorInvalidValue;
  ptx::launch l{.what = &code, .blocks = grid.x, .threads = threads, .shared_bytes = shared, .arguments = std::vector<std::byte>(static_cast<std::size_t>(code.parameter_bytes))};
  for (std::size_t n = 0; n < code.parameters.size(); ++n)
    std::memcpy(l.arguments.data() + code.parameters[n].offset, arguments[n], static_cast<std::size_t>(code.parameters[n].bytes));
  return enqueue(stream, [l = std::move(l)] {
    try {
      ptx::run(l, the().device, ++the().launches);
    } catch (std::runtime_error const& e) {
      the().fault = e.what();
      return cudaErrorLaunchFailure;
    }
    return cudaSuccess;
  });
}

ptx::kernel const* code_of(program& p, std::string const& name) {
  if (!p.read) p.read = ptx::read_module(p.text);
  for (ptx::kernel const& k : p.read->kernels)
    if (k.name == name) return &k;
  return nullptr;
}
CUkern_st* kernel_of(const void* function) {
  const auto k = the().kernels.find(function);
  if (k == the().kernels.end()) return nullptr;
  if (!k->second->code) {
    try {
      k->second->code = code_of(*k->second->of, k->second->name);
    } catch (std::runtime_error const& e) {
      std::fprintf(stderr, "%s\n", e.what());
      std::abort();
    }
  }
  return k->second.get();
}

// The first PTX text in what nvcc embeds: a header, then entries of a kind (1: PTX), a header's and a body's size.
std::string_view text_in(const void* binary) {
  const auto* p = static_cast<const char*>(binary);
  const auto read = [](const char* at, auto value) {
    std::memcpy(&value, at, sizeof value);
    return value;
  };
  if (read(p, std::uint32_t{}) != 0xba55ed50u) return {};
  const char* entry = p + read(p + 6, std::uint16_t{});
  const char* end = entry + read(p + 8, std::uint64_t{});
  while (entry < end) {
    const auto kind = read(entry, std::uint16_t{});
    const auto header = read(entry + 4, std::uint32_t{});
    const auto bytes = read(entry + 8, std::uint64_t{});
    const std::string_view body(entry + header, bytes);
    if (kind == 1 && body.find(".version") != std::string_view::npos && body.find(".address_size") != std::string_view::npos) return body.substr(0, body.find('\0'));
    entry += header + bytes;
  }
  return {};
}

}  // namespace

extern "C" {

void** __cudaRegisterFatBinary(void* wrapper) {
  struct { int magic, version; const void* data; void* more; } w;
  std::memcpy(&w, wrapper, sizeof w);
  const std::string_view text = text_in(w.data);
  if (text.empty()) {
    std::fprintf(stderr, "no uncompressed PTX in this program: compile with -gencode=arch=compute_80,code=compute_80 --no-compress\n");
    std::abort();
  }
  the().programs.push_back({text, {}});
  return reinterpret_cast<void**>(&the().programs.back());
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterFunction(void** handle, const char* function, char*, const char* name, int, uint3*, uint3*, dim3*, dim3*, int*) {
  auto k = std::make_unique<CUkern_st>();
  k->of = reinterpret_cast<program*>(handle);
  k->name = name;
  the().kernels[function] = std::move(k);
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = kernel_of(function);
  return *kernel ? cudaSuccess : cudaErrorInvalidDeviceFunction;
}
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, CUstream_st* stream) {
  the().configurations.push_back({grid, block, shared, stream});
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  const auto c = the().configurations.back();
  the().configurations.pop_back();
  *grid = c.grid;
  *block = c.block;
  *shared = c.shared;
  *static_cast<cudaStream_t*>(stream) = c.stream;
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, size_t shared, cudaStream_t stream) {
  return answer(launch(kernel, grid, block, arguments, shared, stream));
}
cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments, size_t shared, cudaStream_t stream) {
  return answer(launch(kernel_of(function), grid, block, arguments, shared, stream));
}
cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute what, int value) {
  CUkern_st* k = kernel_of(function);
  if (!k) return answer(cudaErrorInvalidDeviceFunction);
  if (what != cudaFuncAttributeMaxDynamicSharedMemorySize || value > most_shared) return answer(cudaErrorInvalidValue);
  k->shared_allowed = value;
  return answer(cudaSuccess);
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* a, const void* function) {
  CUkern_st* k = kernel_of(function);
  if (!k || !k->code) return answer(cudaErrorInvalidDeviceFunction);
  *a = {};
  a->maxThreadsPerBlock = k->code->most_threads;
  return answer(cudaSuccess);
}

cudaError_t cudaGetDeviceCount(int* n) {
  *n = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* n) {
  *n = 0;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
  *p = {};
  std::strcpy(p->name, "a machine for PTX on the host");
  p->major = 8;
  p->multiProcessorCount = 108;
  return cudaSuccess;
}
constexpr size_t device_bytes = size_t{4} << 30;
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total) {
  *total = *free_bytes = device_bytes;
  for (auto const& [at, bytes] : the().device) *free_bytes -= bytes;
  return answer(cudaSuccess);
}
cudaError_t cudaGetLastError() {
  const cudaError_t e = the().last;
  the().last = the().broken;
  return e;
}
const char* cudaGetErrorString(cudaError_t e) {
  switch (e) {
    case cudaSuccess: return "no error";
    case cudaErrorLaunchFailure: return the().fault.c_str();
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorInvalidConfiguration: return "invalid configuration";
    case cudaErrorInvalidDeviceFunction: return "invalid device function";
    case cudaErrorStreamCaptureUnsupported: return "not permitted while a stream is recorded";
    default: return "an error of the CUDA runtime";
  }
}

cudaError_t cudaMalloc(void** p, size_t bytes) {
  size_t free_bytes = 0, total = 0;
  cudaMemGetInfo(&free_bytes, &total);
  // As the driver's: multiples of 512, so that no kernel can rely on less.
  if (bytes > free_bytes || !(*p = std::aligned_alloc(512, (bytes + 511) / 512 * 512))) return answer(cudaErrorMemoryAllocation);
  std::memset(*p, 0xff, bytes);
  the().device[reinterpret_cast<std::uintptr_t>(*p)] = bytes;
  return answer(cudaSuccess);
}
cudaError_t cudaFree(void* p) {
  finish_all();
  if (p && the().device.erase(reinterpret_cast<std::uintptr_t>(p)) == 0) return answer(cudaErrorInvalidValue);
  std::free(p);
  return answer(cudaSuccess);
}
cudaError_t cudaMallocHost(void** p, size_t bytes) {
  if (!(*p = std::aligned_alloc(512, (bytes + 511) / 512 * 512))) return answer(cudaErrorMemoryAllocation);
  std::memset(*p, 0xff, bytes);
  the().pinned[reinterpret_cast<std::uintptr_t>(*p)] = bytes;
  return answer(cudaSuccess);
}
cudaError_t cudaFreeHost(void* p) {
  finish_all();
  if (p && the().pinned.erase(reinterpret_cast<std::uintptr_t>(p)) == 0) return answer(cudaErrorInvalidValue);
  std::free(p);
  return answer(cudaSuccess);
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  finish_all();
  return answer(copy(to, from, bytes, kind));
}
cudaError_t cudaMemset(void* p, int value, size_t bytes) {
  finish_all();
  if (!within(the().device, p, bytes)) return answer(cudaErrorInvalidValue);
  std::memset(p, value, bytes);
  return answer(cudaSuccess);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const bool pageable = (kind == cudaMemcpyHostToDevice && !within(the().pinned, from, bytes)) || (kind == cudaMemcpyDeviceToHost && !within(the().pinned, to, bytes));
  if (!pageable) return answer(enqueue(stream, [=] { return copy(to, from, bytes, kind); }));
  // Memory that is not pinned is read, or written, before the call comes back; nobody wants that in a step.
  CUstream_st& s = stream_of(stream);
  if (s.recording) return answer(cudaErrorStreamCaptureUnsupported);
  finish(s);
  return answer(copy(to, from, bytes, kind));
}
cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t stream) {
  if (!within(the().device, p, bytes)) return answer(cudaErrorInvalidValue);
  return answer(enqueue(stream, [=] {
    std::memset(p, value, bytes);
    return cudaSuccess;
  }));
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) {
  *s = new CUstream_st;
  the().streams.insert(*s);
  return answer(cudaSuccess);
}
cudaError_t cudaStreamDestroy(cudaStream_t s) {
  finish(*s);
  the().streams.erase(s);
  delete s;
  return answer(cudaSuccess);
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) { return answer(finish(stream_of(s))); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned) {
  *e = new CUevent_st;
  return answer(cudaSuccess);
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
  delete e;
  return answer(cudaSuccess);
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  if (stream_of(s).recording) return answer(cudaErrorStreamCaptureUnsupported);
  *e = {s, stream_of(s).given};
  return answer(cudaSuccess);
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) { return answer(finish(stream_of(e->of), e->place)); }
cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus* status) {
  *status = stream_of(s).recording ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return answer(cudaSuccess);
}
#if CUDART_VERSION >= 12080
cudaError_t cudaStreamGetDevice(cudaStream_t, int* n) { return cudaGetDevice(n); }
#endif
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode) {
  if (s == nullptr || s == cudaStreamLegacy || s->recording) return answer(cudaErrorStreamCaptureUnsupported);
  s->recording = std::make_unique<CUgraph_st>();
  return answer(cudaSuccess);
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* g) {
  if (!s->recording) return answer(cudaErrorIllegalState);
  *g = s->recording.release();
  return answer(cudaSuccess);
}
cudaError_t cudaGraphGetNodes(cudaGraph_t g, cudaGraphNode_t*, size_t* count) {
  *count = g->nodes.size();
  return answer(cudaSuccess);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* e, cudaGraph_t g, unsigned long long) {
  *e = new CUgraphExec_st{g->nodes};
  return answer(cudaSuccess);
}
cudaError_t cudaGraphDestroy(cudaGraph_t g) {
  delete g;
  return answer(cudaSuccess);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t e) {
  delete e;
  return answer(cudaSuccess);
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t e, cudaStream_t s) {
  return answer(enqueue(s, [nodes = e->nodes] {
    for (auto const& n : nodes)
      if (const cudaError_t error = n(); error != cudaSuccess) return error;
    return cudaSuccess;
  }));
}

}  // extern "C"
