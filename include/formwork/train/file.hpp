// Files as the training loop needs them: errors as sentences, an owned descriptor, whole writes, a read-only map.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace formwork::train {

// What went wrong with a file, and what to do about it, in one sentence.
class file_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline std::string quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

// The system's words for an errno value, and what a person can do about it.
inline std::string error_text(int error) { return std::system_category().message(error); }
inline std::string_view remedy(int error) {
  switch (error) {
    case ENOENT: return "check the path";
    case ENOTDIR: return "check the path: a part of it is not a folder";
    case EACCES: case EPERM: return "change its permissions or name another path";
    case EISDIR: return "name a file, not a folder";
    case EROFS: return "name a path on a file system that can be written";
    case ENOSPC: case EDQUOT: return "free some space or name a path on another disk";
    case EFBIG: return "raise the limit on file sizes or name a path on another file system";
    case EMFILE: case ENFILE: return "raise the limit on open files";
    case ENAMETOOLONG: return "choose a shorter name";
    case ENOMEM: return "free some memory";
    case EIO: return "check the disk";
    default: return "name another path";
  }
}
[[noreturn]] inline void fail(const std::filesystem::path& path, std::string_view cannot, int error) {
  throw file_error(quoted(path) + " " + std::string(cannot) + ": " + error_text(error) + "; " +
                   std::string(remedy(error)) + ".");
}

// A file descriptor that is closed at the end of its owner's life.
class descriptor {
 public:
  descriptor() = default;
  explicit descriptor(int fd) : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    if (this != &other) { close(); fd_ = std::exchange(other.fd_, -1); }
    return *this;
  }
  ~descriptor() { close(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

// open(2), begun again when a signal interrupts it; never inherited by other programs.
inline descriptor open_descriptor(const std::filesystem::path& path, int flags, mode_t mode = 0666) {
  int fd;
  do fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  return descriptor(fd);
}

// Writes every byte through write_some(data, size), which behaves like write(2): short writes go on,
// interrupted ones are repeated. Returns 0, or the errno value of the failure.
template <class WriteSome>
int write_fully(WriteSome&& write_some, std::span<const std::byte> bytes) {
  constexpr std::size_t most = std::size_t(1) << 30;  // Linux writes at most 2^31 - 4096 bytes at once
  while (!bytes.empty()) {
    const auto written = write_some(bytes.data(), std::min(bytes.size(), most));
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (written == 0) return ENOSPC;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return 0;
}
inline int write_fully(int fd, std::span<const std::byte> bytes) {
  return write_fully([fd](const std::byte* data, std::size_t size) { return ::write(fd, data, size); }, bytes);
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// A whole regular file, mapped read-only; an empty file is an empty span. Throws file_error when the path is
// missing, unreadable or no regular file. The file must not be made shorter while it is mapped: replace it
// by renaming, as atomic_file does.
class mapped_file {
 public:
  mapped_file() = default;
  explicit mapped_file(const std::filesystem::path& path) {
    // O_NONBLOCK: opening a named pipe must not wait for its writer.
    descriptor fd = open_descriptor(path, O_RDONLY | O_NONBLOCK);
    if (!fd) fail(path, "cannot be read", errno);
    struct stat status;
    if (::fstat(fd.get(), &status) != 0) fail(path, "cannot be read", errno);
    if (S_ISDIR(status.st_mode)) fail(path, "cannot be read", EISDIR);
    if (!S_ISREG(status.st_mode)) throw file_error(quoted(path) + " is not a regular file; name a file on disk.");
    if (status.st_size == 0) return;
    const auto size = static_cast<std::size_t>(status.st_size);
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (data == MAP_FAILED) fail(path, "cannot be mapped into memory", errno);
    bytes_ = {static_cast<const std::byte*>(data), size};
    fd_ = std::move(fd);
  }
  mapped_file(mapped_file&& other) noexcept : bytes_(std::exchange(other.bytes_, {})), fd_(std::move(other.fd_)) {}
  mapped_file& operator=(mapped_file&& other) noexcept {
    if (this != &other) { unmap(); bytes_ = std::exchange(other.bytes_, {}); fd_ = std::move(other.fd_); }
    return *this;
  }
  ~mapped_file() { unmap(); }

  std::span<const std::byte> bytes() const { return bytes_; }
  int descriptor_number() const { return fd_.get(); }  // -1 for an empty file
  // Gives back the memory of what was read; it is read again from the file where it is used again.
  void release() const {
    if (!bytes_.empty()) ::madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), MADV_DONTNEED);
  }

 private:
  void unmap() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
  std::span<const std::byte> bytes_;
  descriptor fd_;
};

}  // namespace formwork::train
