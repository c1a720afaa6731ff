// A stand-in for the CUDA runtime: records graphs, counts calls, and runs every launch in the emulator. Device memory
// lies between guard zones. One call may be made to fail.
#pragma once

#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "device.hpp"
#include "formwork/backend/cuda/session.hpp"

namespace formwork::emulator {

struct call_counts {
  long allocations = 0, releases = 0, copies = 0, recordings = 0, starts = 0, waits = 0, launches = 0;
  bool operator==(call_counts const&) const = default;
};

class stand_in {
 public:
  struct recorded { std::vector<std::function<void()>> nodes; };
  using graph = recorded*;
  static inline call_counts calls;
  static inline settings how;
  static inline std::size_t device_bytes = std::size_t{1} << 40;  // free on the pretended GPU
  static inline long fails_at = -1;  // of the calls that can fail, this one does, numbered from 0
  static inline long attempts = 0;
  // What is out: device and pinned memories, graphs, recordings that have begun.
  static inline long memories = 0, graphs = 0, recordings = 0;

  static void attempt(const char* call) {
    if (attempts++ == fails_at) throw std::runtime_error(std::string("stand-in: ") + call + " failed");
  }

  ~stand_in() { recordings -= recording_ != nullptr; }
  void open(std::size_t bytes) {
    attempt("open");
    if (bytes > device_bytes) throw std::runtime_error("stand-in: too little memory");
  }
  void* allocate(std::size_t bytes) {
    attempt("allocate");
    ++calls.allocations;
    ++memories;
    auto* p = static_cast<std::byte*>(std::aligned_alloc(256, (bytes + 2 * guard + 255) / 256 * 256));
    std::memset(p, 0xff, bytes + 2 * guard);  // NaN in every floating type
    sizes_[p + guard] = bytes;
    return p + guard;
  }
  void release(void* p) noexcept {
    ++calls.releases;
    --memories;
    auto* q = static_cast<std::byte*>(p);
    const std::size_t bytes = sizes_[q];
    for (std::size_t i = 0; i < guard; ++i)
      if (q[i - guard] != std::byte{0xff} || q[bytes + i] != std::byte{0xff}) std::fputs("stand-in: a kernel wrote outside its memory\n", stderr), std::abort();
    std::free(q - guard);
  }
  void* allocate_pinned(std::size_t bytes) {
    attempt("allocate_pinned");
    ++calls.allocations;
    ++memories;
    return std::calloc(1, bytes);
  }
  void release_pinned(void* p) noexcept {
    ++calls.releases;
    --memories;
    std::free(p);
  }

  void* queue() const { return const_cast<stand_in*>(this); }
  void clear(void* p, std::size_t bytes) {
    attempt("clear");
    std::memset(p, 0, bytes);
  }
  void copy_to_device(void* to, const void* from, std::size_t bytes) { copy(to, from, bytes); }
  void copy_to_host(void* to, const void* from, std::size_t bytes) { copy(to, from, bytes); }
  void wait() {
    if (recording_) throw std::logic_error("stand-in: a wait inside a recording");
    attempt("wait");
    ++calls.waits;
  }

  void begin_recording() {
    if (recording_) throw std::logic_error("stand-in: a recording inside a recording");
    attempt("begin_recording");
    ++calls.recordings;
    ++recordings;
    recording_ = std::make_unique<recorded>();
  }
  graph end_recording(long& nodes) {
    if (!recording_) throw std::logic_error("stand-in: no recording has begun");
    attempt("end_recording");
    --recordings;
    ++graphs;
    nodes = static_cast<long>(recording_->nodes.size());
    return recording_.release();
  }
  void abandon_recording() noexcept {
    --recordings;
    recording_.reset();
  }
  void start(graph g) {
    if (recording_) throw std::logic_error("stand-in: a start inside a recording");
    attempt("start");
    ++calls.starts;
    for (auto const& n : g->nodes) n();
  }
  void release_graph(graph g) noexcept {
    --graphs;
    delete g;
  }

  template <class F> void enqueue(F f) {
    if (recording_) recording_->nodes.push_back(f);
    else f();
  }

 private:
  static constexpr std::size_t guard = 4096;
  std::unique_ptr<recorded> recording_;
  std::map<std::byte*, std::size_t> sizes_;

  void copy(void* to, const void* from, std::size_t bytes) {
    attempt("copy");
    ++calls.copies;
    enqueue([=] { std::memcpy(to, from, bytes); });
  }
};

struct stand_in_launcher {
  using session = cuda::session<stand_in>;
  template <class Launch, int N> static void launch(cuda::kernel_arguments<N> const& a, void* queue) {
    stand_in::attempt(Launch::name);
    ++stand_in::calls.launches;
    static_cast<stand_in*>(queue)->enqueue([a] { launcher::launch<Launch>(a, &stand_in::how); });
  }
};

template <class Options = cuda::options<>> using stand_in_device = cuda::device<stand_in_launcher, Options>;

}  // namespace formwork::emulator
