// The header of a safetensors file: names, types, shapes and places of the tensors, checked before any is used.
// Format: an 8-byte little-endian length, that many bytes of JSON
//   {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, "__metadata__": {"key": "text"}}
// and the data, which the offsets count from. Source: github.com/huggingface/safetensors, README.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/dtype.hpp"
#include "file.hpp"
#include "json_reader.hpp"

namespace formwork::train {

inline constexpr std::uint64_t safetensors_header_limit = 100'000'000;  // bytes; the same as the Rust reader's

using safetensors_metadata = std::map<std::string, std::string>;

struct safetensors_entry {
  std::string name;
  std::string type;                  // as the file spells it: "F32", "BF16", ...
  std::vector<std::uint64_t> shape;  // outermost first; empty: a scalar
  std::uint64_t begin = 0, end = 0;  // bytes, counted from the first byte of data
};

struct safetensors_header {
  std::vector<safetensors_entry> tensors;  // in the order of their data
  safetensors_metadata metadata;
  std::uint64_t data_begin = 0;            // bytes from the beginning of the file
};

// The format's names of the element types that this library computes with.
constexpr std::string_view safetensors_name(dtype type) {
  switch (type) {
    case dtype::f32: return "F32";
    case dtype::f64: return "F64";
    case dtype::bf16: return "BF16";
    case dtype::f16: return "F16";
    case dtype::i32: return "I32";
    case dtype::i64: return "I64";
    case dtype::u8: return "U8";
    case dtype::boolean: return "BOOL";
  }
  return "?";
}
constexpr std::optional<dtype> safetensors_dtype(std::string_view name) {
  for (const dtype type : {dtype::f32, dtype::f64, dtype::bf16, dtype::f16, dtype::i32, dtype::i64, dtype::u8, dtype::boolean})
    if (safetensors_name(type) == name) return type;
  return std::nullopt;
}
// Bytes per element of every type of the format that fills whole bytes, 0 for a name it does not have.
constexpr std::uint64_t safetensors_bytes(std::string_view type) {
  for (const std::string_view one : {"BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"})
    if (type == one) return 1;
  for (const std::string_view two : {"U16", "I16", "F16", "BF16"})
    if (type == two) return 2;
  for (const std::string_view four : {"U32", "I32", "F32"})
    if (type == four) return 4;
  for (const std::string_view eight : {"U64", "I64", "F64", "C64"})
    if (type == eight) return 8;
  return 0;
}

inline std::string shape_text(std::span<const std::uint64_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) (text += i ? ", " : "") += std::to_string(shape[i]);
  return text += "]";
}

namespace detail {
// Short and printable, whatever bytes a damaged file holds.
inline std::string shown(std::string_view name) {
  std::string text = "'";
  for (const char c : name.substr(0, 80)) text += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return text += name.size() > 80 ? "...'" : "'";
}

inline safetensors_entry read_entry(json_reader& json, std::string name, auto&& reject) {
  safetensors_entry entry;
  entry.name = std::move(name);
  bool type = false, shape = false, offsets = false;
  json.expect('{');
  for (bool first = true; json.next('}', first); first = false) {
    const std::string field = json.string();
    json.expect(':');
    bool& seen = field == "dtype" ? type : field == "shape" ? shape : offsets;
    if (field != "dtype" && field != "shape" && field != "data_offsets")
      reject("tensor " + shown(entry.name) + " has a field " + shown(field) + " that the format does not have");
    if (seen) reject("tensor " + shown(entry.name) + " has two fields " + shown(field));
    seen = true;
    if (field == "dtype") entry.type = json.string();
    else if (field == "shape") {
      json.expect('[');
      for (bool one = true; json.next(']', one); one = false) entry.shape.push_back(json.integer());
    } else {
      json.expect('[');
      entry.begin = json.integer();
      json.expect(',');
      entry.end = json.integer();
      json.expect(']');
    }
  }
  if (!type || !shape || !offsets)
    reject("tensor " + shown(entry.name) + " lacks one of dtype, shape and data_offsets");
  return entry;
}

// dtype size x shape, which must fit the offsets.
inline void check_entry(const safetensors_entry& entry, std::uint64_t data_bytes, auto&& reject) {
  std::uint64_t bytes = safetensors_bytes(entry.type);
  if (bytes == 0) reject("tensor " + shown(entry.name) + " has the unknown type " + shown(entry.type));
  // A zero anywhere makes the product zero; without it the product may overflow on the way.
  const bool empty = std::find(entry.shape.begin(), entry.shape.end(), 0u) != entry.shape.end();
  for (const std::uint64_t extent : entry.shape)
    if (empty) bytes = 0;
    else if (__builtin_mul_overflow(bytes, extent, &bytes))
      reject("tensor " + shown(entry.name) + " has a shape of more than 2^64 bytes");
  if (entry.begin > entry.end || entry.end > data_bytes)
    reject("tensor " + shown(entry.name) + " lies outside the file's data of " + std::to_string(data_bytes) + " bytes");
  if (entry.end - entry.begin != bytes)
    reject("tensor " + shown(entry.name) + " holds " + std::to_string(entry.end - entry.begin) + " bytes, but its type and shape need " +
           std::to_string(bytes));
}
}  // namespace detail

// Reads and checks the header at the front of `file`, a whole safetensors file: every tensor lies inside the
// data and has the bytes of its type and shape, names differ, and the tensors cover the data without a gap or
// an overlap. Anything else throws file_error, which begins with `path`.
inline safetensors_header read_safetensors_header(std::span<const std::byte> file, const std::filesystem::path& path) {
  const auto reject = [&](const std::string& what) {
    throw file_error(quoted(path) + " is not a whole safetensors file: " + what + "; use another file or write it anew.");
  };
  if (file.size() < 8) reject("it is shorter than 8 bytes");
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = length << 8 | std::to_integer<std::uint64_t>(file[i]);
  if (length > safetensors_header_limit)
    reject("its header claims " + std::to_string(length) + " bytes, more than " + std::to_string(safetensors_header_limit));
  if (length > file.size() - 8)
    reject("its header claims " + std::to_string(length) + " bytes, but only " + std::to_string(file.size() - 8) + " follow");

  safetensors_header header;
  header.data_begin = 8 + length;
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + 8, length);
  if (!text.starts_with('{')) reject("its header does not begin with '{'");
  json_reader json(text);
  bool metadata = false;
  try {
    json.expect('{');
    for (bool first = true; json.next('}', first); first = false) {
      std::string name = json.string();
      json.expect(':');
      if (name != "__metadata__") {
        header.tensors.push_back(detail::read_entry(json, std::move(name), reject));
        continue;
      }
      if (std::exchange(metadata, true)) reject("it has two entries '__metadata__'");
      json.expect('{');
      for (bool one = true; json.next('}', one); one = false) {
        std::string key = json.string();
        json.expect(':');
        if (!header.metadata.emplace(key, json.string()).second) reject("its metadata has the key " + detail::shown(key) + " twice");
      }
    }
    json.expect_end();
  } catch (const json_error& error) { reject(std::string("its header ") + error.what()); }

  auto& tensors = header.tensors;
  const std::uint64_t data_bytes = file.size() - header.data_begin;
  for (const auto& entry : tensors) detail::check_entry(entry, data_bytes, reject);
  std::vector<std::string_view> names;
  for (const auto& entry : tensors) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) reject("two tensors have the name " + detail::shown(*twice));

  std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::uint64_t covered = 0;
  for (const auto& entry : tensors) {
    if (entry.begin != covered)
      reject("tensor " + detail::shown(entry.name) + " begins at byte " + std::to_string(entry.begin) + " of the data, but the one before ends at " +
             std::to_string(covered));
    covered = entry.end;
  }
  if (covered != data_bytes)
    reject("its tensors end at byte " + std::to_string(covered) + " of the data, which has " + std::to_string(data_bytes));
  return header;
}

}  // namespace formwork::train
