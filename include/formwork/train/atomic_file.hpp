// atomic_file: replaces a file as a whole. Whenever the process or the machine stops, the path holds either
// the old bytes or the new ones.
#pragma once

#include <sys/file.h>

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "file.hpp"

namespace formwork::train {

// Keeps other writers away from an open file until it is closed, or its process ends; false where one has it. A file
// system without locks lets everybody in.
inline bool lock_alone(const descriptor& file) {
  for (;;) {
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EINTR) return errno == ENOLCK || errno == ENOTSUP || errno == ENOSYS;
  }
}

// The bytes go to '<name>.partial' beside the target (the same file system, so that the rename is atomic);
// commit() makes them durable, then renames. Without commit() the temporary is removed and the target is
// untouched. A temporary left by a killed writer is taken over by the next one; a lock on it, which the
// kernel drops with its process, keeps two live writers apart. Every failure throws file_error.
class atomic_file {
 public:
  explicit atomic_file(const std::filesystem::path& path) {
    std::error_code ignored;
    const auto status = std::filesystem::status(path, ignored);
    if (std::filesystem::is_directory(status)) fail(path, "cannot be written", EISDIR);
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
      throw file_error(quoted(path) + " is not a regular file, so it cannot be replaced; name a file on disk.");
    // A link stays a link: what it points to is replaced.
    target_ = std::filesystem::weakly_canonical(path, ignored);
    if (ignored || target_.empty()) target_ = std::filesystem::absolute(path, ignored);
    if (!target_.has_filename()) throw file_error(quoted(path) + " names no file; add a file name.");
    temporary_ = target_;
    temporary_ += ".partial";
    open_locked();
    if (::ftruncate(file_.get(), 0) != 0) abandon(errno);
    // The new file keeps the old one's permissions.
    struct stat old;
    if (::stat(target_.c_str(), &old) == 0 && ::fchmod(file_.get(), old.st_mode & 07777) != 0) abandon(errno);
  }
  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;
  ~atomic_file() { discard(); }

  void write(std::span<const std::byte> bytes) {
    if (!file_) throw file_error(quoted(target_) + " is committed already; open it again to write more.");
    if (const int error = write_fully(file_.get(), bytes)) abandon(error);
  }
  void write(std::string_view text) { write(as_bytes(text)); }

  // After this the new bytes are on the disk under the target's name.
  void commit() {
    if (!file_) throw file_error(quoted(target_) + " is committed already; open it again to write more.");
    if (::fsync(file_.get()) != 0 && errno != EINVAL) abandon(errno);  // EINVAL: a file system without fsync
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) abandon(errno);
    file_.close();
    // The rename itself is durable once the folder is.
    const descriptor folder = open_descriptor(target_.parent_path(), O_RDONLY | O_DIRECTORY);
    if (folder && ::fsync(folder.get()) != 0 && errno != EINVAL)
      fail(target_, "is replaced, but may not survive a power failure", errno);
  }

 private:
  // A lock may be won on a file that its former owner has just renamed or removed; then the name no longer
  // leads to it, and the next round opens the file that the name does lead to.
  void open_locked() {
    for (;;) {
      file_ = open_descriptor(temporary_, O_WRONLY | O_CREAT | O_NOFOLLOW);
      if (!file_) fail(target_, "cannot be written", errno);
      if (!lock_alone(file_)) {
        file_.close();
        throw file_error(quoted(target_) + " is being written by another process; stop that one or name another path.");
      }
      struct stat opened, named;
      if (::fstat(file_.get(), &opened) == 0 && ::lstat(temporary_.c_str(), &named) == 0 &&
          opened.st_dev == named.st_dev && opened.st_ino == named.st_ino)
        return;
    }
  }
  void discard() {
    if (!file_) return;
    ::unlink(temporary_.c_str());
    file_.close();
  }
  [[noreturn]] void abandon(int error) {
    discard();
    fail(target_, "cannot be written (what stood there before is unchanged)", error);
  }

  std::filesystem::path target_, temporary_;
  descriptor file_;
};

// Replaces a file by this text.
inline void write_atomically(const std::filesystem::path& path, std::string_view text) {
  atomic_file file(path);
  file.write(text);
  file.commit();
}

}  // namespace formwork::train
