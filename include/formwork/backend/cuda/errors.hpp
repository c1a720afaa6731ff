// What goes wrong with a GPU, and what is asked of one before a run: each refusal is one sentence that says what to do.
// Facts come in as numbers and text, so that every compiler can read this and tests can pretend them.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

namespace formwork::gpu {

// A call of the CUDA runtime failed, or the GPU or what the caller gave does not do. The host program goes on.
class cuda_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct gpu_facts {
  std::string name;
  int number = 0;            // among this machine's
  int major = 0, minor = 0;  // compute capability
  std::size_t free_bytes = 0;
};

// Of the caller's stream.
struct stream_facts {
  bool known = true;     // as a stream of this process
  bool blocks = false;   // the legacy default stream, which cannot be recorded
  bool records = false;  // into a graph of the caller's, now
  int gpu = 0;
};

namespace detail {

// Rounded up to a tenth.
inline std::string gibibytes(std::size_t bytes) {
  const std::size_t tenths = (bytes >> 30) * 10 + ((bytes & ((std::size_t{1} << 30) - 1)) * 10 + (1u << 30) - 1) / (1u << 30);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " GiB";
}
inline std::string capability(int major, int minor) { return std::to_string(major) + "." + std::to_string(minor); }

inline cuda_error no_gpu(std::string const& why) {
  return cuda_error("CUDA: no GPU is available (" + why + "); build for the CPU (cmake --workflow --preset quickstart), or check the driver with nvidia-smi.");
}
inline void check_age(gpu_facts const& gpu) {
  if (gpu.major < 8) throw cuda_error("CUDA: " + gpu.name + " has compute capability " + capability(gpu.major, gpu.minor) + "; at least 8.0 is needed (RTX 30, A100 and later).");
}
// compiled_for: the architectures of the program, as 10 major + minor.
template <class List> cuda_error no_code(gpu_facts const& gpu, List const& compiled_for) {
  std::string all;
  for (const int a : compiled_for) all += (all.empty() ? "" : ", ") + capability(a / 10, a % 10);
  return cuda_error("CUDA: this program was compiled for compute capability " + all + ", and " + gpu.name + " has " + capability(gpu.major, gpu.minor) + "; compile it with -DFORMWORK_CUDA_ARCHITECTURES=" +
                    std::to_string(10 * gpu.major + gpu.minor) + ".");
}
inline void check_memory(gpu_facts const& gpu, std::size_t bytes) {
  if (bytes > gpu.free_bytes)
    throw cuda_error("CUDA: this run needs " + gibibytes(bytes) + " and " + gpu.name + " has " + gibibytes(gpu.free_bytes) + " free; choose a smaller batch, or a workspace budget.");
}
inline cuda_error no_room(std::size_t bytes, const char* giver) {
  return cuda_error(std::string("CUDA: ") + giver + " has no room for " + gibibytes(bytes) + " in one piece; choose a smaller batch, or a workspace budget.");
}
constexpr std::size_t memory_alignment = 256;  // as of cudaMalloc
inline void check_alignment(const void* memory) {
  if (reinterpret_cast<std::size_t>(memory) % memory_alignment != 0)
    throw cuda_error("CUDA: the caller's allocator gave memory that does not begin at a multiple of " + std::to_string(memory_alignment) + " bytes; let it align as cudaMalloc does.");
}
inline void check_stream(stream_facts const& s, gpu_facts const& gpu) {
  if (!s.known) throw cuda_error("CUDA: the caller's stream is none of this process; give one that cudaStreamCreateWithFlags made and that has not been destroyed.");
  if (s.blocks) throw cuda_error("CUDA: the caller's stream is the default stream, which cannot be recorded; give one made with cudaStreamCreateWithFlags.");
  if (s.gpu != gpu.number)
    throw cuda_error("CUDA: the caller's stream is of GPU " + std::to_string(s.gpu) + " and the current one is GPU " + std::to_string(gpu.number) + "; call cudaSetDevice(" + std::to_string(s.gpu) + ") before the run is made.");
  if (s.records) throw cuda_error("CUDA: the caller's stream is being recorded into a graph; end that, or give another stream.");
}
inline void check_current(int of_run, int current) {
  if (of_run != current)
    throw cuda_error("CUDA: this run was made on GPU " + std::to_string(of_run) + " and this thread's current one is GPU " + std::to_string(current) + "; call cudaSetDevice(" + std::to_string(of_run) + ") before using it.");
}

enum class failure { call, no_code, context };
// A call that failed, in the runtime's words; kernel: which one, where it is known.
inline cuda_error failed(std::string const& call, const char* kernel, std::string const& why, failure what) {
  std::string text = "CUDA: " + call + (kernel ? std::string(" of the kernel '") + kernel + "'" : "") + " failed: " + why;
  if (what == failure::no_code) text += "; this program was not compiled for this GPU, name its architecture with -DFORMWORK_CUDA_ARCHITECTURES";
  if (what == failure::context) {
    text += "; the GPU's context is lost, start the program again from its last checkpoint";
    if (!kernel) text += " (session_options::check_each_launch tells which kernel it is)";
  }
  return cuda_error(text + ".");
}

}  // namespace detail

}  // namespace formwork::gpu
