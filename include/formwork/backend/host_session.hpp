// host_session: the memory of a run and its recorded launches, for a device whose memory is the host's.
//
// A session has one device memory, and a small exchange that the host fills before a recording runs and reads after
// it. recording number r is always the same list of launches: a GPU records it once and starts it as a whole. A device
// that runs beside the host has several exchanges, so that the host fills one while a recording runs with another.
#pragma once

#include <cstring>

#include "../core/arena.hpp"

namespace formwork {

struct host_session_options {};  // nothing to choose

class host_session {
 public:
  using options = host_session_options;
  static constexpr bool on_host = true;  // launches read the host's memory
  static constexpr int exchanges = 1;

  // Zeros; exchange_bytes of it are the host's to write and to read. Throws std::runtime_error without memory.
  host_session(std::size_t memory_bytes, std::size_t exchange_bytes, int /*recordings*/, options const& = {}) : memory_(memory_bytes), exchange_(exchange_bytes) {}

  std::byte* memory() const { return memory_.data(); }            // as launches see it
  std::byte* exchange() const { return exchange_.data(); }        // as launches see it
  std::byte* host_exchange(int /*which*/ = 0) const { return exchange_.data(); }  // as the host sees it
  void* queue() const { return nullptr; }

  // launches() starts a recording's launches on queue(); results are in the exchange when this returns.
  template <class Launches> void run(int /*recording*/, Launches const& launches) { launches(); }
  // The same in two halves; here the first one does it all.
  template <class Launches> void start(int /*recording*/, int /*which*/, Launches const& launches) { launches(); }
  void wait(int /*which*/) {}
  template <class Launches> void prepare(int /*recording*/, int /*which*/, Launches const& /*launches*/) {}
  void settle() noexcept {}

  // A part of the memory for the host to read, and to write until it is committed.
  std::byte* view(std::size_t offset, std::size_t /*bytes*/) const { return memory_.data() + offset; }
  void commit(std::size_t /*offset*/, std::size_t /*bytes*/) {}
  void upload(std::size_t offset, const void* from, std::size_t bytes) { std::memcpy(memory_.data() + offset, from, bytes); }
  void clear(std::size_t offset, std::size_t bytes) { std::memset(memory_.data() + offset, 0, bytes); }

 private:
  arena memory_, exchange_;
};

}  // namespace formwork
