// Reader and writer of safetensors files (format: safetensors_header.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "../core/dtype.hpp"
#include "atomic_file.hpp"
#include "checksum.hpp"
#include "file.hpp"
#include "safetensors_header.hpp"

namespace formwork::train {

// The metadata key under which write_safetensors stores the checksum of the data.
inline constexpr std::string_view checksum_key = "formwork.checksum";

// One tensor to write: its bytes stay where they are until the call is over.
struct safetensors_source {
  std::string name = {};
  dtype type = dtype::f32;
  std::vector<std::uint64_t> shape = {};   // outermost first
  std::span<const std::byte> data = {};    // size_of(type) x shape bytes, row-major
};

// A mapped safetensors file. The constructor checks the whole header; it throws file_error on any damage it
// can see. Damage inside the data shows only in verify(), which reads every byte.
class safetensors_file {
 public:
  explicit safetensors_file(const std::filesystem::path& path)
      : path_(path), file_(path), header_(read_safetensors_header(file_.bytes(), path)) {
    for (std::size_t i = 0; i < header_.tensors.size(); ++i) index_.emplace(header_.tensors[i].name, i);
  }

  const std::filesystem::path& path() const { return path_; }
  const safetensors_metadata& metadata() const { return header_.metadata; }
  std::span<const safetensors_entry> tensors() const { return header_.tensors; }
  const safetensors_entry* find(std::string_view name) const {
    const auto at = index_.find(name);
    return at == index_.end() ? nullptr : &header_.tensors[at->second];
  }
  // The tensor's bytes where the file has them: they may lie at any alignment.
  std::span<const std::byte> bytes(const safetensors_entry& entry) const {
    return file_.bytes().subspan(header_.data_begin + entry.begin, entry.end - entry.begin);
  }

  // Copies a tensor to `to`, which must have its size. A missing name, another type or another shape throws
  // file_error and names both.
  void copy(std::string_view name, dtype type, std::span<const std::uint64_t> shape, std::span<std::byte> to) const {
    const safetensors_entry* entry = find(name);
    if (!entry) throw file_error(quoted(path_) + " has no tensor " + detail::shown(name) + "; use a file of this model.");
    if (entry->type != safetensors_name(type))
      throw file_error(quoted(path_) + " holds " + detail::shown(name) + " as " + entry->type + ", but the model has " +
                       std::string(safetensors_name(type)) + "; use a file of this precision.");
    if (!std::ranges::equal(entry->shape, shape))
      throw file_error(quoted(path_) + " holds " + detail::shown(name) + " with the shape " + shape_text(entry->shape) +
                       ", but the model has " + shape_text(shape) + "; use a file of this model.");
    const auto from = bytes(*entry);
    if (from.size() != to.size())
      throw std::invalid_argument("safetensors_file::copy: the target has " + std::to_string(to.size()) + " bytes, the tensor " +
                                  std::to_string(from.size()) + ".");
    if (!from.empty()) std::memcpy(to.data(), from.data(), from.size());
  }

  // Reads all data and compares its checksum with the one in the metadata, where there is one.
  void verify() const {
    const auto stored = header_.metadata.find(std::string(checksum_key));
    if (stored != header_.metadata.end() && stored->second != hex(checksum_of(file_.bytes().subspan(header_.data_begin))))
      throw file_error(quoted(path_) + " is damaged: its data do not fit its checksum; use another file.");
  }

 private:
  std::filesystem::path path_;
  mapped_file file_;
  safetensors_header header_;
  std::map<std::string_view, std::size_t> index_;  // views of the names in header_
};

// The file's first bytes: length and JSON, padded with spaces so that the data begin at a multiple of 8 bytes.
// Throws std::invalid_argument for tensors that cannot stand together in a file.
inline std::string safetensors_front(std::span<const safetensors_source> tensors, const safetensors_metadata& metadata) {
  std::string json = "{";
  const auto comma = [&] { return json.size() > 1 ? "," : ""; };
  if (!metadata.empty()) {
    json += "\"__metadata__\":{";
    bool first = true;
    for (const auto& [key, text] : metadata)
      json += std::string(std::exchange(first, false) ? "" : ",") + json_quoted(key) + ":" + json_quoted(text);
    json += "}";
  }
  std::set<std::string_view> names;
  std::uint64_t end = 0;
  for (const auto& tensor : tensors) {
    const auto wrong = [&](std::string_view what) {
      throw std::invalid_argument("safetensors: tensor " + detail::shown(tensor.name) + " " + std::string(what) + ".");
    };
    if (tensor.name == "__metadata__") wrong("has a name that the format keeps for itself");
    if (!is_utf8(tensor.name)) wrong("has a name that is not UTF-8");
    if (!names.insert(tensor.name).second) wrong("appears twice");
    std::uint64_t bytes = size_of(tensor.type);
    for (const std::uint64_t extent : tensor.shape)
      if (__builtin_mul_overflow(bytes, extent, &bytes)) wrong("has a shape of more than 2^64 bytes");
    if (bytes != tensor.data.size()) wrong("has a type and a shape that do not fit its bytes");
    json += comma() + json_quoted(tensor.name) + ":{\"dtype\":\"" + std::string(safetensors_name(tensor.type)) +
            "\",\"shape\":[";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) (json += i ? "," : "") += std::to_string(tensor.shape[i]);
    json += "],\"data_offsets\":[" + std::to_string(end) + "," + std::to_string(end + bytes) + "]}";
    end += bytes;
  }
  json += "}";
  json.append((8 - json.size() % 8) % 8, ' ');
  if (json.size() > safetensors_header_limit) throw std::invalid_argument("safetensors: the names need a header above 100 MB.");
  std::string front(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) front[i] = static_cast<char>(json.size() >> (8 * i) & 0xff);
  return front + json;
}

// Writes the tensors in the given order, straight from their spans, and replaces the file as a whole
// (atomic_file). The metadata get a checksum of the data. Throws file_error, and then the old file stands.
inline void write_safetensors(const std::filesystem::path& path, std::span<const safetensors_source> tensors,
                              safetensors_metadata metadata = {}) {
  checksum sum;
  for (const auto& tensor : tensors) sum.add(tensor.data);
  metadata[std::string(checksum_key)] = hex(sum.value());
  const std::string front = safetensors_front(tensors, metadata);
  atomic_file file(path);
  file.write(front);
  for (const auto& tensor : tensors) file.write(tensor.data);
  file.commit();
}

}  // namespace formwork::train
