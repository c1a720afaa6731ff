// mapped_pieces: parts of one file side by side in memory, in an order of their own, without a copy.
#pragma once

#include "file.hpp"

namespace formwork::train {

// Whole pages of a file, mapped one part behind the other; the last part may end inside a page. What was read of them
// counts as this process's memory until release().
class mapped_pieces {
 public:
  static std::size_t page() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

  mapped_pieces() = default;
  // Addresses for so many bytes; throws file_error.
  explicit mapped_pieces(std::size_t bytes) {
    void* data = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) throw file_error("The text cannot be mapped into memory: " + error_text(errno) + "; " + std::string(remedy(errno)) + ".");
    all_ = {static_cast<std::byte*>(data), bytes};
  }
  mapped_pieces(mapped_pieces&& other) noexcept : all_(std::exchange(other.all_, {})), end_(std::exchange(other.end_, 0)) {}
  mapped_pieces& operator=(mapped_pieces&& other) noexcept {
    std::swap(all_, other.all_);
    std::swap(end_, other.end_);
    return *this;
  }
  ~mapped_pieces() {
    if (!all_.empty()) ::munmap(all_.data(), all_.size());
  }

  // The bytes of the file from `first` on, `first` the beginning of a page, follow those that are there; false where
  // the system allows no further mapping.
  bool append(const mapped_file& file, std::size_t first, std::size_t size) {
    if (::mmap(all_.data() + end_, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, file.descriptor_number(), static_cast<off_t>(first)) == MAP_FAILED) return false;
    end_ += size;
    return true;
  }
  std::span<const std::byte> bytes() const { return all_.first(end_); }

  // Gives back the memory of what was read; it is read again from the file where it is used again.
  void release() const {
    if (!all_.empty()) ::madvise(all_.data(), end_, MADV_DONTNEED);
  }

 private:
  std::span<std::byte> all_;
  std::size_t end_ = 0;
};

}  // namespace formwork::train
