// Training and validation parts of a text, and the text that is there when none is named.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "checksum.hpp"
#include "mapped_pieces.hpp"
#include "token_data.hpp"

namespace formwork::train {

// tail: the last part of the text is for validation: nothing is copied, and nothing of it resembles its
// neighbourhood, but a text whose end differs from the rest (a folder sorted by path) is judged by its end alone.
// chunks: the text is cut into equal chunks (the last one takes the remainder), and those with the smallest hash of
// their number are for validation, so both parts come from everywhere. The chunks of each part lie side by side, copied
// or, of one large file, mapped, and a window may run over the seam of two chunks.
// Either split depends on the text's length and these options only.
enum class split_by { chunks, tail };

struct split_options {
  std::uint64_t context = 0;          // each part gets at least context + 1 tokens
  double validation = 0.1;            // fraction of the text, 0 < validation < 1
  split_by by = split_by::chunks;
  std::uint64_t chunk = 65536;        // bytes; a short text gets smaller ones: 1/64 of it, at least context + 1; one of more than 65536 larger ones
  std::uint64_t copied = 16u << 20;   // bytes; a file that is larger is mapped
  std::uint64_t seed = 0;             // of the chunks' hash
};

class token_split {
 public:
  token_split(token_data data, const split_options& options) : data_(std::move(data)) {
    if (!(options.validation > 0 && options.validation < 1))
      throw std::invalid_argument("The validation part of the text is " + std::to_string(options.validation) +
                                  " of it; choose a fraction between 0 and 1.");
    const auto text = data_.tokens();
    const std::uint64_t least = options.context + 1, size = text.size();
    if (size / 2 < least)
      throw file_error("The text has " + std::to_string(size) + " bytes, but a context of " + std::to_string(options.context) +
                       " needs " + std::to_string(2 * least) + " (training and validation " + std::to_string(least) +
                       " each); name more text or choose a smaller context.");
    if (options.by == split_by::tail) {
      const auto wanted = static_cast<std::uint64_t>(std::llround(options.validation * static_cast<double>(size)));
      training_ = size - std::clamp(wanted, least, size - least);
      return;
    }
    const std::uint64_t most = 65536 * options.chunk;  // each run of neighbouring chunks is a mapping, and Linux allows 65530 of them
    const std::uint64_t chunk = std::max(least, std::min(options.chunk * (1 + size / most), size / 64)), count = size / chunk;
    const auto wanted = static_cast<std::uint64_t>(std::llround(options.validation * static_cast<double>(count)));
    const std::uint64_t chosen = std::clamp<std::uint64_t>(wanted, 1, count - 1);
    std::vector<std::pair<std::uint64_t, std::uint64_t>> order;  // hash, number of the chunk
    for (std::uint64_t i = 0; i < count; ++i) order.emplace_back(mix64(mix64(options.seed) + i), i);
    std::sort(order.begin(), order.end());
    std::vector<bool> validates(count);
    for (std::uint64_t i = 0; i < chosen; ++i) validates[order[i].second] = true;
    if (size > options.copied && data_.single_file() && chunk % mapped_pieces::page() == 0 && map(*data_.single_file(), validates, chunk)) return;
    gathered_.reserve(size);
    for (const bool part : {false, true}) {
      for_each_run(validates, part, chunk, size, [&](std::uint64_t first, std::uint64_t end) {
        const auto piece = text.subspan(first, end - first);
        gathered_.insert(gathered_.end(), piece.begin(), piece.end());
        return true;
      });
      if (!part) training_ = gathered_.size();
    }
    data_ = {};
  }

  // Views that live as long as this object, also when it is moved.
  std::span<const std::uint8_t> training() const { return mapped() ? tokens_of(mapped_[0]) : all().first(training_); }
  std::span<const std::uint8_t> validation() const { return mapped() ? tokens_of(mapped_[1]) : all().subspan(training_); }

  // Of a mapped text, gives back the memory of what was read so far; whoever walks through much of it calls this on
  // the way.
  void release() const {
    for (auto const& part : mapped_) part.release();
    if (data_.single_file()) data_.single_file()->release();
  }

 private:
  // Neighbouring chunks of one part as [first, end) bytes of the text; false as soon as f is.
  static bool for_each_run(const std::vector<bool>& validates, bool part, std::uint64_t chunk, std::uint64_t size, auto&& f) {
    for (std::uint64_t i = 0, end; i < validates.size(); i = end) {
      for (end = i + 1; end < validates.size() && validates[end] == validates[i]; ++end) {}
      if (validates[i] == part && !f(i * chunk, end == validates.size() ? size : end * chunk)) return false;
    }
    return true;
  }
  // False where the system allows too few mappings for this text.
  bool map(const mapped_file& file, const std::vector<bool>& validates, std::uint64_t chunk) {
    std::array<mapped_pieces, 2> parts;
    for (const bool part : {false, true}) {
      const auto walk = [&](auto&& f) { return for_each_run(validates, part, chunk, file.bytes().size(), f); };
      std::uint64_t bytes = 0;
      walk([&](std::uint64_t first, std::uint64_t end) { return bytes += end - first, true; });
      parts[part] = mapped_pieces(bytes);
      if (!walk([&](std::uint64_t first, std::uint64_t end) { return parts[part].append(file, first, end - first); })) return false;
    }
    mapped_ = std::move(parts);
    data_ = {};
    return true;
  }
  bool mapped() const { return !mapped_[0].bytes().empty(); }
  static std::span<const std::uint8_t> tokens_of(const mapped_pieces& part) {
    return {reinterpret_cast<const std::uint8_t*>(part.bytes().data()), part.bytes().size()};
  }
  std::span<const std::uint8_t> all() const { return gathered_.empty() ? data_.tokens() : std::span(gathered_); }

  token_data data_;                     // kept for `tail` only
  std::vector<std::uint8_t> gathered_;  // `chunks`, copied: training, then validation
  std::array<mapped_pieces, 2> mapped_;  // `chunks`, mapped: training, validation
  std::uint64_t training_ = 0;
};

// The folder of the C++ standard library's own headers: real text that every machine has which builds this.
// `hint` is used where it holds <vector>; a build may pass what its compiler says. Otherwise the highest version
// in the usual places. Throws file_error where there is none.
inline std::filesystem::path standard_headers(const std::filesystem::path& hint = {}) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const auto holds_headers = [&](const fs::path& folder) { return fs::is_regular_file(folder / "vector", ignored); };
  if (!hint.empty() && holds_headers(hint)) return hint;
  for (const fs::path parent : {"/usr/include/c++", "/usr/local/include/c++", "/opt/homebrew/include/c++"}) {
    fs::path best;
    long best_version = -1;
    for (fs::directory_iterator at(parent, ignored), end; at != end; at.increment(ignored)) {
      const std::string name = at->path().filename().string();
      const long version = std::strtol(name.c_str() + (name.starts_with('v') ? 1 : 0), nullptr, 10);  // "12", "v1"
      if (!holds_headers(at->path())) continue;
      if (version > best_version || (version == best_version && at->path() > best)) {
        best = at->path();
        best_version = version;
      }
    }
    if (!best.empty()) return best;
  }
  throw file_error("The C++ standard library's headers were not found; name a file or a folder with text.");
}

}  // namespace formwork::train
