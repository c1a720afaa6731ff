// session: the memory of a run on a GPU and its recorded launches. A recording becomes a CUDA graph when it first runs:
// the exchange goes up, the launches follow each other, the exchange comes back, and starting it again is one call.
// Runtime names the functions of the CUDA runtime that are needed (runtime.hpp; the tests have a stand-in).
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

namespace formwork::cuda {

template <class Runtime> class session {
 public:
  static constexpr bool on_host = false;

  // Device memory of zeros, and an exchange that the host writes and reads in pinned memory. Throws std::runtime_error:
  // no GPU, one that this program was not compiled for, too little memory.
  session(std::size_t memory_bytes, std::size_t exchange_bytes, int recordings) : memory_bytes_(memory_bytes), exchange_bytes_(exchange_bytes), graphs_(static_cast<std::size_t>(recordings)) {
    runtime_.open(memory_bytes + exchange_bytes);
    memory_ = static_cast<std::byte*>(runtime_.allocate(memory_bytes));
    exchange_ = static_cast<std::byte*>(runtime_.allocate(exchange_bytes));
    host_exchange_ = static_cast<std::byte*>(runtime_.allocate_pinned(exchange_bytes));
    runtime_.clear(memory_, memory_bytes);
    runtime_.clear(exchange_, exchange_bytes);
  }
  session(session const&) = delete;
  session& operator=(session const&) = delete;
  ~session() {
    for (auto& g : graphs_)
      if (g) runtime_.release_graph(g);
    runtime_.release(memory_);
    runtime_.release(exchange_);
    runtime_.release_pinned(host_exchange_);
  }

  std::byte* memory() const { return memory_; }
  std::byte* exchange() const { return exchange_; }
  std::byte* host_exchange() const { return host_exchange_; }
  void* queue() const { return runtime_.queue(); }

  template <class Launches> void run(int recording, Launches const& launches) {
    auto& graph = graphs_[static_cast<std::size_t>(recording)];
    if (!graph) {
      runtime_.begin_recording();
      runtime_.copy_to_device(exchange_, host_exchange_, exchange_bytes_);
      launches();
      runtime_.copy_to_host(host_exchange_, exchange_, exchange_bytes_);
      graph = runtime_.end_recording();
    }
    views_.clear();  // what launches change is read again
    runtime_.start(graph);
    runtime_.wait();
  }
  // Launches, and the two copies of the exchange.
  long nodes(int recording) const { return runtime_.nodes(graphs_[static_cast<std::size_t>(recording)]); }

  std::byte* view(std::size_t offset, std::size_t bytes) {
    if (!mirror_) mirror_.reset(new std::byte[memory_bytes_]);
    runtime_.copy_to_host(mirror_.get() + offset, memory_ + offset, bytes);
    runtime_.wait();
    views_.push_back({offset, offset + bytes});
    return mirror_.get() + offset;
  }
  // What was written into views since the last run; what nobody viewed stays as it is.
  void commit(std::size_t offset, std::size_t bytes) {
    for (auto const& v : views_) {
      const std::size_t begin = std::max(v.begin, offset), end = std::min(v.end, offset + bytes);
      if (begin < end) runtime_.copy_to_device(memory_ + begin, mirror_.get() + begin, end - begin);
    }
    runtime_.wait();
  }
  void upload(std::size_t offset, const void* from, std::size_t bytes) {
    runtime_.copy_to_device(memory_ + offset, from, bytes);
    runtime_.wait();
  }
  void clear(std::size_t offset, std::size_t bytes) { runtime_.clear(memory_ + offset, bytes); }

 private:
  Runtime runtime_;
  std::size_t memory_bytes_, exchange_bytes_;
  std::vector<typename Runtime::graph> graphs_;
  std::byte *memory_ = nullptr, *exchange_ = nullptr, *host_exchange_ = nullptr;
  struct range { std::size_t begin, end; };
  std::unique_ptr<std::byte[]> mirror_;  // the memory as the host sees it; only viewed parts are ever touched
  std::vector<range> views_;
};

}  // namespace formwork::cuda
