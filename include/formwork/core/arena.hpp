// arena: one piece of zeroed memory for everything that a run needs, mapped at once and never on the heap.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#if defined(__unix__)
#include <sys/mman.h>
#endif

#include "config.hpp"

namespace formwork {

class arena {
 public:
  static constexpr std::size_t alignment = 2 * MiB;  // of a huge page

  arena() = default;

  // Zeros; a page takes up memory when it is first touched. Throws std::runtime_error.
  explicit arena(std::size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
#if defined(__unix__)
    void* mapped = MAP_FAILED;
    if (bytes <= static_cast<std::size_t>(-1) - alignment)
      mapped = mmap(nullptr, bytes + alignment, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) refuse();
    const std::size_t past = reinterpret_cast<std::size_t>(mapped) % alignment,
                      before = (alignment - past) % alignment;
    data_ = static_cast<std::byte*>(mapped) + before;
    if (before > 0) munmap(mapped, before);
    constexpr std::size_t page = 4 * KiB;
    const std::size_t end = (bytes + page - 1) / page * page;
    if (before < alignment) munmap(data_ + end, alignment - before);
#if defined(MADV_HUGEPAGE)
    madvise(data_, bytes, MADV_HUGEPAGE);  // advice only: smaller pages work as well
#endif
#else
    data_ = static_cast<std::byte*>(::operator new(bytes, std::align_val_t(alignment), std::nothrow));
    if (data_ == nullptr) refuse();
    std::memset(data_, 0, bytes);
#endif
  }
  ~arena() { release(); }

  arena(arena&& from) noexcept
      : data_(std::exchange(from.data_, nullptr)), bytes_(std::exchange(from.bytes_, 0)) {}
  arena& operator=(arena&& from) noexcept {
    if (this != &from) {
      release();
      data_ = std::exchange(from.data_, nullptr);
      bytes_ = std::exchange(from.bytes_, 0);
    }
    return *this;
  }

  std::byte* data() const { return data_; }
  std::size_t size() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;

  [[noreturn]] void refuse() const {
    throw std::runtime_error(
        "The run needs " + std::to_string(bytes_ / static_cast<std::size_t>(MiB) + 1) +
        " MiB of memory, which the system does not give; choose a smaller batch, context or model.");
  }
  void release() {
    if (data_ == nullptr) return;
#if defined(__unix__)
    munmap(data_, bytes_);
#else
    ::operator delete(data_, std::align_val_t(alignment));
#endif
  }
};

}  // namespace formwork
