// What must hold for every header that read_safetensors_header accepts, checked by other means than its own.
#pragma once

#include <formwork/train/safetensors_header.hpp>

#include <stdexcept>
#include <string>
#include <vector>

namespace formwork_test {

// Reads `file`; an accepted header is checked in 128-bit arithmetic, byte by byte of the data's cover.
// Returns the sentence of the refusal, or nothing. Throws std::logic_error when something is wrong.
inline std::string check_safetensors(std::span<const std::byte> file) {
  using namespace formwork::train;
  safetensors_header header;
  try {
    header = read_safetensors_header(file, "f");
  } catch (const file_error& error) {
    const std::string text = error.what();
    if (!text.starts_with("'f' is not a whole safetensors file: ") || !text.ends_with("."))
      throw std::logic_error("no sentence: " + text);
    return text;
  }
  if (header.data_begin < 8 || header.data_begin > file.size()) throw std::logic_error("data begin outside the file");
  std::vector<unsigned char> cover(file.size() - header.data_begin);
  for (const auto& entry : header.tensors) {
    if (entry.begin > entry.end || entry.end > cover.size()) throw std::logic_error("a tensor outside the data");
    unsigned __int128 bytes = safetensors_bytes(entry.type);
    if (bytes == 0) throw std::logic_error("an unknown type");
    for (const auto extent : entry.shape)
      if (extent == 0) bytes = 0;
    for (const auto extent : entry.shape) {
      bytes *= extent;
      if (bytes >> 64) throw std::logic_error("a shape of more than 2^64 bytes");
    }
    if (bytes != entry.end - entry.begin) throw std::logic_error("offsets that do not fit the shape");
    for (auto i = entry.begin; i < entry.end; ++i)
      if (cover[i]++) throw std::logic_error("an overlap");
  }
  for (const auto c : cover)
    if (!c) throw std::logic_error("a hole");
  return {};
}

}  // namespace formwork_test
