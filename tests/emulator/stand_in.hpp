// A stand-in for the CUDA runtime: records graphs, counts calls, and runs every launch in the emulator. The work of its
// stream is done when somebody waits for it, so that who does not wait reads what was there before. Device memory lies
// between guard zones. One call may be made to fail.
#pragma once

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "device.hpp"
#include "formwork/backend/cuda/errors.hpp"
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
  struct moment { long place = 0; };  // in what the stream has been given
  using event = moment*;
  static inline call_counts calls;
  static inline settings how;
  // The pretended GPU, and what is known of a stream that the caller gives.
  static inline bool present = true;
  static inline gpu::gpu_facts gpu{.name = "stand-in", .number = 0, .major = 9, .minor = 0, .free_bytes = std::size_t{1} << 40};
  static inline std::vector<int> compiled_for{80};
  static inline int current = 0;  // GPU of this thread
  static inline gpu::stream_facts stream;
  // Of the calls that can fail, numbered from 0, this one does, and, where the error is sticky, all that follow.
  static inline long fails_at = -1;
  static inline bool sticky = false;
  static inline long attempts = 0;
  // What is out: device and pinned memories, graphs, events, recordings that have begun.
  static inline long memories = 0, graphs = 0, events = 0, recordings = 0;

  static void attempt(const char* call, const char* kernel = nullptr) {
    const bool fails = fails_at >= 0 && (attempts == fails_at || (sticky && attempts > fails_at));
    ++attempts;
    if (fails) throw gpu::detail::failed(call, kernel, "the stand-in was told so", sticky ? gpu::detail::failure::context : gpu::detail::failure::call);
  }

  ~stand_in() { recordings -= recording_ != nullptr; }
  void open(std::size_t bytes, gpu::session_options const& given) {
    attempt("open");
    if (!present) throw gpu::detail::no_gpu("there is none in this machine");
    gpu::detail::check_age(gpu);
    if (10 * gpu.major + gpu.minor < compiled_for.front()) throw gpu::detail::no_code(gpu, compiled_for);
    if (!given.allocate) gpu::detail::check_memory(gpu, bytes);
    if (given.stream) gpu::detail::check_stream(stream, gpu);
    given_ = given;
    gpu_ = gpu.number;
  }
  void enter() const { gpu::detail::check_current(gpu_, current); }
  void settle() noexcept {
    try {
      work_until(given_work_);
    } catch (report const&) {  // as on a GPU: nobody waits any more for what fails now
    }
  }
  void check_each_launch(bool yes) { each_launch_ = yes; }
  gpu::memory_block allocate(std::size_t bytes) {
    attempt("allocate");
    if (given_.allocate) {
      const gpu::memory_block m{given_.allocate(bytes, given_.stream, given_.pool), bytes};
      if (!m) throw gpu::detail::no_room(bytes, "the caller's allocator");
      ++memories;
      return m;
    }
    ++calls.allocations;
    ++memories;
    auto* p = static_cast<std::byte*>(std::aligned_alloc(256, (bytes + 2 * guard + 255) / 256 * 256));
    std::memset(p, 0xff, bytes + 2 * guard);  // NaN in every floating type
    return {p + guard, bytes};
  }
  void release(gpu::memory_block m) noexcept {
    --memories;
    if (given_.allocate) return given_.release(m.begin, m.bytes, given_.stream, given_.pool);
    ++calls.releases;
    auto* q = static_cast<std::byte*>(m.begin);
    for (std::size_t i = 0; i < guard; ++i)
      if (q[i - guard] != std::byte{0xff} || q[m.bytes + i] != std::byte{0xff}) std::fputs("stand-in: a kernel wrote outside its memory\n", stderr), std::abort();
    std::free(q - guard);
  }
  gpu::memory_block allocate_pinned(std::size_t bytes) {
    attempt("allocate_pinned");
    ++calls.allocations;
    ++memories;
    return {std::calloc(1, bytes), bytes};
  }
  void release_pinned(gpu::memory_block m) noexcept {
    ++calls.releases;
    --memories;
    std::free(m.begin);
  }

  void* queue() const { return const_cast<stand_in*>(this); }
  void clear(void* p, std::size_t bytes) {
    attempt("clear");
    work_until(given_work_);
    std::memset(p, 0, bytes);
  }
  void copy_to_device(void* to, const void* from, std::size_t bytes) { copy(to, from, bytes); }
  void copy_to_host(void* to, const void* from, std::size_t bytes) { copy(to, from, bytes); }
  void wait() { wait_until(given_work_); }

  event make_event() {
    attempt("make_event");
    ++events;
    return new moment;
  }
  void release_event(event e) noexcept {
    --events;
    delete e;
  }
  void record(event e) {
    if (recording_) throw std::logic_error("stand-in: an event inside a recording");
    attempt("record");
    e->place = given_work_;
  }
  void wait(event e) { wait_until(e->place); }

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
    for (auto const& n : g->nodes) enqueue(n);
  }
  void release_graph(graph g) noexcept {
    --graphs;
    delete g;
  }

  bool checks_each_launch() const { return each_launch_; }
  template <class F> void enqueue(F f) {
    if (recording_) return recording_->nodes.push_back(f);
    work_.push_back(f);
    ++given_work_;
  }

 private:
  static constexpr std::size_t guard = 4096;
  std::unique_ptr<recorded> recording_;
  gpu::session_options given_;
  int gpu_ = 0;
  bool each_launch_ = false;
  std::deque<std::function<void()>> work_;  // of the stream, still to be done
  long given_work_ = 0;                     // all that it has been given

  void work_until(long place) {
    while (given_work_ - static_cast<long>(work_.size()) < place) {
      const auto next = std::move(work_.front());
      work_.pop_front();
      next();
    }
  }
  void wait_until(long place) {
    if (recording_) throw std::logic_error("stand-in: a wait inside a recording");
    attempt("wait");
    ++calls.waits;
    work_until(place);
  }

  void copy(void* to, const void* from, std::size_t bytes) {
    attempt("copy");
    ++calls.copies;
    enqueue([=] { std::memcpy(to, from, bytes); });
  }
};

struct stand_in_launcher {
  using session = gpu::session<stand_in>;
  template <class Launch, int N> static void launch(gpu::kernel_arguments<N> const& a, void* queue) {
    stand_in::attempt("the launch", Launch::name);
    ++stand_in::calls.launches;
    auto& on = *static_cast<stand_in*>(queue);
    on.enqueue([a] { launcher::launch<Launch>(a, &stand_in::how); });
    if (on.checks_each_launch()) stand_in::attempt("the run", Launch::name);
  }
};

template <class Options = gpu::options<>> using stand_in_device = gpu::device<stand_in_launcher, Options>;

}  // namespace formwork::emulator
