// Byte-level tokens from files and folders: every byte is one token, 0..255.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checksum.hpp"
#include "file.hpp"

namespace formwork::train {

// The bytes of the named files, and of the text files in the named folders, in the order named; a folder's
// files come recursively and sorted by path, so the same tree gives the same tokens on every machine. In a
// folder, hidden names (.git), empty files, binary files (they hold a NUL byte), unreadable files and what is
// no regular file are skipped and counted; a file that is named itself is taken as it is. A single file is
// mapped, several are copied one behind the other with a newline between them, and stay in memory. A file reached
// twice counts once.
class token_data {
 public:
  struct skipped_files {
    std::uint64_t binary = 0, empty = 0, unreadable = 0;
    bool operator==(const skipped_files&) const = default;
  };

  token_data() = default;
  explicit token_data(const std::filesystem::path& path) : token_data(std::span(&path, 1)) {}
  // Throws file_error: a named path is missing, unreadable or empty, or a folder holds no text.
  explicit token_data(std::span<const std::filesystem::path> paths) {
    if (paths.empty()) throw file_error("No text is named; name a file or a folder with text.");
    for (const auto& path : paths) {
      std::error_code error;
      const auto status = std::filesystem::status(path, error);
      if (!std::filesystem::exists(status)) fail(path, "cannot be read", error ? error.value() : ENOENT);
      if (std::filesystem::is_directory(status)) { add_folder(path); continue; }
      mapped_file file(path);
      if (file.bytes().empty()) throw file_error(quoted(path) + " is empty; name a file with text.");
      if (first_visit(path)) add(std::move(file));
    }
  }

  std::span<const std::uint8_t> tokens() const {
    const auto bytes = joined_.empty() ? single_.bytes() : std::span<const std::byte>(joined_);
    return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  }
  // The one file that is the text, or null where the text was copied from several.
  const mapped_file* single_file() const { return joined_.empty() && files_ == 1 ? &single_ : nullptr; }
  std::uint64_t files() const { return files_; }
  const skipped_files& skipped() const { return skipped_; }
  // Changes with every change of the text; a checkpoint keeps it, so that a resume can tell that its data changed.
  std::uint64_t fingerprint() const { return checksum_of(std::as_bytes(tokens())); }

  // "11865596 bytes of text from 784 files (3 binary files skipped)"
  std::string describe() const {
    std::string text = std::to_string(tokens().size()) + " bytes of text from " + std::to_string(files_) + (files_ == 1 ? " file" : " files");
    const std::string without = describe_skipped();
    return without.empty() ? text : text + " (" + without + " skipped)";
  }

 private:
  std::string describe_skipped() const {
    std::string text;
    const auto count = [&](std::uint64_t n, const char* kind) {
      if (n) (text += text.empty() ? "" : ", ") += std::to_string(n) + " " + kind + (n == 1 ? " file" : " files");
    };
    count(skipped_.binary, "binary");
    count(skipped_.empty, "empty");
    count(skipped_.unreadable, "unreadable");
    return text;
  }
  bool first_visit(const std::filesystem::path& path) {
    std::error_code error;
    const auto real = std::filesystem::canonical(path, error);
    return error || visited_.insert(real).second;
  }

  void add_folder(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> found;
    list(folder, found);
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.generic_string() < b.generic_string(); });
    const auto before = visited_.size();
    for (const auto& path : found) {
      mapped_file file;
      try {
        file = mapped_file(path);
      } catch (const file_error&) {
        ++skipped_.unreadable;
        continue;
      }
      const auto bytes = file.bytes();
      if (bytes.empty()) ++skipped_.empty;
      else if (std::memchr(bytes.data(), 0, bytes.size())) ++skipped_.binary;
      else if (first_visit(path)) add(std::move(file));
    }
    if (visited_.size() == before) {
      const std::string without = describe_skipped();
      throw file_error(quoted(folder) + " holds no " + (files_ ? "further " : "") + "text that can be read" +
                       (without.empty() ? "" : " (" + without + " skipped)") + "; name a file or folder with text.");
    }
  }
  // Links to files are followed, links to folders are not, so there is no endless walk.
  void list(const std::filesystem::path& folder, std::vector<std::filesystem::path>& found) {
    std::error_code error;
    std::filesystem::directory_iterator at(folder, error);
    if (error) { ++skipped_.unreadable; return; }
    for (; at != std::filesystem::directory_iterator(); at.increment(error)) {
      if (error) { ++skipped_.unreadable; return; }
      std::error_code ignored;
      const auto& path = at->path();
      if (path.filename().string().starts_with('.')) continue;
      if (at->symlink_status(ignored).type() == std::filesystem::file_type::directory) list(path, found);
      else if (at->is_regular_file(ignored)) found.push_back(path);
    }
  }
  void add(mapped_file file) {
    if (files_++ == 0) { single_ = std::move(file); return; }
    if (files_ == 2) {
      append(single_.bytes());
      single_ = {};
    }
    joined_.push_back(std::byte('\n'));
    append(file.bytes());
  }
  void append(std::span<const std::byte> bytes) { joined_.insert(joined_.end(), bytes.begin(), bytes.end()); }

  mapped_file single_;
  std::vector<std::byte> joined_;
  std::set<std::filesystem::path> visited_;
  skipped_files skipped_;
  std::uint64_t files_ = 0;
};

}  // namespace formwork::train
