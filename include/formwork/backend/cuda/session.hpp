// session: the memory of a run on a GPU and its recorded launches. A recording becomes a CUDA graph when it first runs:
// the exchange goes up, the launches follow each other, the exchange comes back, and starting it again is one call. There
// are two exchanges on the host, each with graphs of its own: one is filled while a graph runs with the other.
// Runtime names the functions of the CUDA runtime that are needed (runtime.hpp; the tests have a stand-in).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "session_options.hpp"

namespace formwork::gpu {

// Device or pinned memory.
struct memory_block {
  void* begin = nullptr;
  std::size_t bytes = 0;
  explicit operator bool() const { return begin != nullptr; }
};

namespace detail {

// What a runtime has given, until this ends.
template <class Runtime, class Handle, auto GiveBack> class given {
 public:
  given() = default;
  given(Runtime& from, Handle it) : from_(&from), it_(it) {}
  given(given&& o) noexcept : from_(o.from_), it_(std::exchange(o.it_, Handle{})) {}
  given& operator=(given&& o) noexcept {
    std::swap(from_, o.from_);
    std::swap(it_, o.it_);
    return *this;
  }
  ~given() {
    if (it_) (from_->*GiveBack)(it_);
  }
  Handle get() const { return it_; }
  explicit operator bool() const { return static_cast<bool>(it_); }

 private:
  Runtime* from_ = nullptr;
  Handle it_{};
};

// A recording that has begun: an exception on the way to its end leaves nothing open.
template <class Runtime> class open_recording {
 public:
  explicit open_recording(Runtime& runtime) : runtime_(&runtime) { runtime.begin_recording(); }
  open_recording(open_recording const&) = delete;
  ~open_recording() {
    if (runtime_) runtime_->abandon_recording();
  }
  typename Runtime::graph end(long& nodes) {
    const auto graph = runtime_->end_recording(nodes);
    runtime_ = nullptr;
    return graph;
  }

 private:
  Runtime* runtime_;
};

// Launches that are waited for one by one.
template <class Runtime> class checked_launches {
 public:
  explicit checked_launches(Runtime& runtime) : runtime_(&runtime) { runtime.check_each_launch(true); }
  checked_launches(checked_launches const&) = delete;
  ~checked_launches() { runtime_->check_each_launch(false); }

 private:
  Runtime* runtime_;
};

}  // namespace detail

template <class Runtime> class session {
 public:
  static constexpr bool on_host = false;
  static constexpr int exchanges = 2;
  using options = session_options;

  // Device memory of zeros, and exchanges that the host writes and reads in pinned memory. Throws cuda_error: no GPU,
  // one that this program was not compiled for, too little memory, a stream that will not do.
  session(std::size_t memory_bytes, std::size_t exchange_bytes, int recordings, options const& given = {})
      : checks_(given.check_each_launch), memory_bytes_(memory_bytes), exchange_bytes_(exchange_bytes), recordings_(static_cast<std::size_t>(recordings) * exchanges) {
    runtime_.open(memory_bytes + exchange_bytes, given);
    memory_ = {runtime_, runtime_.allocate(memory_bytes)};
    exchange_ = {runtime_, runtime_.allocate(exchange_bytes)};
    host_exchanges_ = {runtime_, runtime_.allocate_pinned(exchanges * host_exchange_bytes())};
    for (auto& e : ends_) e = {runtime_, runtime_.make_event()};
    detail::check_alignment(memory());
    detail::check_alignment(exchange());
    runtime_.clear(memory(), memory_bytes);
    runtime_.clear(exchange(), exchange_bytes);
  }
  session(session const&) = delete;
  session& operator=(session const&) = delete;
  ~session() { settle(); }

  std::byte* memory() const { return static_cast<std::byte*>(memory_.get().begin); }
  std::byte* exchange() const { return static_cast<std::byte*>(exchange_.get().begin); }
  std::byte* host_exchange(int which = 0) const {
    return static_cast<std::byte*>(host_exchanges_.get().begin) + static_cast<std::size_t>(which) * host_exchange_bytes();
  }
  void* queue() const { return runtime_.queue(); }

  // A recording that fails is made anew by the next run. Every function that follows throws cuda_error.
  template <class Launches> void run(int recording, Launches const& launches) {
    start(recording, 0, launches);
    wait(0);
  }
  // The same in two halves, with the exchange `which`. Between them the host leaves that exchange alone; what it starts
  // meanwhile follows on the GPU.
  template <class Launches> void start(int recording, int which, Launches const& launches) {
    prepare(recording, which, launches);
    views_.clear();  // what launches change is read again
    if (checks_) {
      detail::checked_launches now(runtime_);
      enqueue(which, launches);
    } else {
      runtime_.start(graph_of(recording, which).graph.get());
    }
    try {
      runtime_.record(end_of(which));
    } catch (cuda_error const&) {
      settle();  // nobody can wait for the exchange any more
      throw;
    }
  }
  // Records without running.
  template <class Launches> void prepare(int recording, int which, Launches const& launches) {
    runtime_.enter();
    auto& [graph, nodes] = graph_of(recording, which);
    if (graph || checks_) return;
    detail::open_recording open(runtime_);
    enqueue(which, launches);
    graph = {runtime_, open.end(nodes)};
  }
  // Everything that was started is done, or has failed.
  void settle() noexcept { runtime_.settle(); }
  void wait(int which) {
    runtime_.enter();
    runtime_.wait(end_of(which));
  }
  // Launches, and the two copies of the exchange; 0 before the first run.
  long nodes(int recording) const { return recordings_[static_cast<std::size_t>(recording * exchanges)].nodes; }

  std::byte* view(std::size_t offset, std::size_t bytes) {
    runtime_.enter();
    if (!mirror_) mirror_.reset(new std::byte[memory_bytes_]);
    runtime_.copy_to_host(mirror_.get() + offset, memory() + offset, bytes);
    runtime_.wait();
    views_.push_back({offset, offset + bytes});
    return mirror_.get() + offset;
  }
  // What was written into views since the last run; what nobody viewed stays as it is.
  void commit(std::size_t offset, std::size_t bytes) {
    runtime_.enter();
    for (auto const& v : views_) {
      const std::size_t begin = std::max(v.begin, offset), end = std::min(v.end, offset + bytes);
      if (begin < end) runtime_.copy_to_device(memory() + begin, mirror_.get() + begin, end - begin);
    }
    runtime_.wait();
  }
  void upload(std::size_t offset, const void* from, std::size_t bytes) {
    runtime_.enter();
    runtime_.copy_to_device(memory() + offset, from, bytes);
    runtime_.wait();
  }
  void clear(std::size_t offset, std::size_t bytes) {
    runtime_.enter();
    runtime_.clear(memory() + offset, bytes);
  }

 private:
  using device_memory = detail::given<Runtime, memory_block, &Runtime::release>;
  using pinned_memory = detail::given<Runtime, memory_block, &Runtime::release_pinned>;
  using event = detail::given<Runtime, typename Runtime::event, &Runtime::release_event>;
  struct recorded {
    detail::given<Runtime, typename Runtime::graph, &Runtime::release_graph> graph;
    long nodes = 0;
  };
  struct range { std::size_t begin, end; };

  // No two share a cache line.
  std::size_t host_exchange_bytes() const { return (exchange_bytes_ + 255) / 256 * 256; }
  recorded& graph_of(int recording, int which) { return recordings_[static_cast<std::size_t>(recording * exchanges + which)]; }
  typename Runtime::event end_of(int which) const { return ends_[static_cast<std::size_t>(which)].get(); }

  template <class Launches> void enqueue(int which, Launches const& launches) {
    runtime_.copy_to_device(exchange(), host_exchange(which), exchange_bytes_);
    launches();
    runtime_.copy_to_host(host_exchange(which), exchange(), exchange_bytes_);
  }

  Runtime runtime_;  // outlives what it has given
  bool checks_;
  std::size_t memory_bytes_, exchange_bytes_;
  device_memory memory_, exchange_;
  pinned_memory host_exchanges_;
  std::array<event, exchanges> ends_;  // of what was last started with each exchange
  std::vector<recorded> recordings_;
  std::unique_ptr<std::byte[]> mirror_;  // the memory as the host sees it; only viewed parts are ever touched
  std::vector<range> views_;
};

}  // namespace formwork::gpu
