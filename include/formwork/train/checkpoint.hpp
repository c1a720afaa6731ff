// checkpoint: a safetensors file from which training goes on as if it had never stopped. It holds the parameters under
// their names, one tensor per layer ("blocks.3.mlp.up.weight"), the optimizer's states under the same names behind
// "optimizer.0." and so on, and in its metadata the step, the position in the data, the seed and what identifies the
// model. A file of parameters alone, from wherever, can be evaluated and sampled.
#pragma once

#include <charconv>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checksum.hpp"
#include "loader.hpp"
#include "parameter_layout.hpp"
#include "safetensors.hpp"

namespace formwork::train {

// A tensor of the run and where it lives.
struct checkpoint_tensor {
  std::string name;
  dtype type = dtype::f32;
  std::vector<std::uint64_t> shape;
  std::span<std::byte> bytes;
};

// The tensors of a flat arena, under their names behind a prefix.
inline void append_tensors(std::vector<checkpoint_tensor>& to, auto const& entries, std::span<float> arena, std::string_view prefix = {}) {
  for (const parameter_entry& e : entries) {
    checkpoint_tensor t{std::string(prefix) + std::string(e.name.view()), dtype::f32, {}, {}};
    for (int axis = 0; axis < e.shape.rank; ++axis) t.shape.push_back(static_cast<std::uint64_t>(e.shape.size[axis]));
    t.bytes = std::as_writable_bytes(arena.subspan(static_cast<std::size_t>(e.offset), static_cast<std::size_t>(e.elements)));
    to.push_back(std::move(t));
  }
}

// What a run has besides its tensors.
struct checkpoint_state {
  std::uint64_t step = 0;       // steps done
  std::uint64_t updates = 0;    // those of them that changed the parameters
  data_position data;           // of the loader
  std::uint64_t seed = 0;
  std::uint64_t text = 0;       // fingerprint of the training text
  std::uint64_t model = 0;      // checksum of what the model computes
  safetensors_metadata extra;   // whatever else a program wants to find again, under keys of its own
};

namespace detail {
inline constexpr std::string_view format_key = "formwork.format", format_now = "1", state_key = "formwork.state_checksum";

struct metadata_reader {
  const safetensors_file& file;

  const std::string& text(std::string_view key) const {
    const auto at = file.metadata().find(std::string(key));
    if (at == file.metadata().end())
      throw file_error(quoted(file.path()) + " is no checkpoint of a training run: its metadata lack " + shown(key) +
                       "; it can be sampled and evaluated, but training cannot go on from it.");
    return at->second;
  }
  std::uint64_t number(std::string_view key, int base = 10) const {
    const std::string& digits = text(key);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (error != std::errc() || end != digits.data() + digits.size())
      throw file_error(quoted(file.path()) + " is damaged: its " + std::string(key) + " is " + shown(digits) + ", not a number; use another checkpoint.");
    return value;
  }
};

// Of all metadata but the checksums themselves.
inline std::uint64_t checksum_of(const safetensors_metadata& metadata) {
  checksum sum;
  for (const auto& [key, text] : metadata)
    if (key != checksum_key && key != state_key) {
      sum.add(as_bytes(json_quoted(key)));
      sum.add(as_bytes(json_quoted(text)));
    }
  return sum.value();
}

// Every tensor is there, with its type and shape, and nothing else is.
inline void check_tensors(const safetensors_file& file, std::span<const checkpoint_tensor> tensors, bool others_allowed) {
  for (const auto& t : tensors) {
    const auto* entry = file.find(t.name);
    const std::string where = quoted(file.path()), name = shown(t.name);
    if (!entry) throw file_error(where + " is of another model: it has no tensor " + name + "; use a checkpoint of this model.");
    if (!std::ranges::equal(entry->shape, t.shape))
      throw file_error(where + " is of another model: its " + name + " has the shape " + shape_text(entry->shape) + ", this model's has " +
                       shape_text(t.shape) + "; use a checkpoint of this model.");
    if (entry->type != safetensors_name(t.type))
      throw file_error(where + " is of another precision: its " + name + " holds " + entry->type + ", this model's " +
                       std::string(safetensors_name(t.type)) + "; use a checkpoint of this precision.");
  }
  if (others_allowed || file.tensors().size() == tensors.size()) return;
  std::set<std::string_view> known;
  for (const auto& t : tensors) known.insert(t.name);
  for (const auto& entry : file.tensors())
    if (!known.contains(entry.name))
      throw file_error(quoted(file.path()) + " is of another model: this one has no tensor " + shown(entry.name) + "; use a checkpoint of this model.");
}

inline void check_computation(const safetensors_file& file, std::uint64_t model) {
  const auto stored = file.metadata().find("formwork.model");
  if (stored != file.metadata().end() && stored->second != hex(model))
    throw file_error(quoted(file.path()) + " is of another model: the tensors have the same shapes, but what it computes from them differs "
                     "(its heads or its activation, say); use a checkpoint of this model.");
}
}  // namespace detail

// Replaces the file as a whole: at every moment the path holds the old checkpoint or the new one. Throws file_error.
inline void save_checkpoint(const std::filesystem::path& path, std::span<const checkpoint_tensor> tensors, const checkpoint_state& state) {
  std::vector<safetensors_source> sources;
  for (const auto& t : tensors) sources.push_back({t.name, t.type, t.shape, t.bytes});
  safetensors_metadata metadata = state.extra;
  metadata[std::string(detail::format_key)] = detail::format_now;
  metadata["formwork.step"] = std::to_string(state.step);
  metadata["formwork.updates"] = std::to_string(state.updates);
  metadata["formwork.epoch"] = std::to_string(state.data.epoch);
  metadata["formwork.window"] = std::to_string(state.data.index);
  metadata["formwork.seed"] = std::to_string(state.seed);
  metadata["formwork.text"] = hex(state.text);
  metadata["formwork.model"] = hex(state.model);
  metadata[std::string(detail::state_key)] = hex(detail::checksum_of(metadata));
  write_safetensors(path, sources, std::move(metadata));
}

// What a checkpoint says about its run, before anything is read from it. Throws file_error.
inline checkpoint_state read_checkpoint_state(const safetensors_file& file) {
  const detail::metadata_reader read{file};
  if (const auto& version = read.text(detail::format_key); version != detail::format_now)
    throw file_error(quoted(file.path()) + " has the checkpoint format " + detail::shown(version) + ", this program reads " +
                     std::string(detail::format_now) + "; use the version of the library that wrote it.");
  read.text(checksum_key);
  if (read.text(detail::state_key) != hex(detail::checksum_of(file.metadata())))
    throw file_error(quoted(file.path()) + " is damaged: its metadata do not fit their checksum; use another checkpoint.");
  checkpoint_state s;
  s.step = read.number("formwork.step");
  s.updates = read.number("formwork.updates");
  s.data = {read.number("formwork.epoch"), read.number("formwork.window")};
  s.seed = read.number("formwork.seed");
  s.text = read.number("formwork.text", 16);
  s.model = read.number("formwork.model", 16);
  for (const auto& [key, text] : file.metadata())
    if (!key.starts_with("formwork.")) s.extra.emplace(key, text);
  return s;
}

// Reads a whole checkpoint. Everything is checked before the first byte of `tensors` changes. Throws file_error.
inline checkpoint_state load_checkpoint(const std::filesystem::path& path, std::span<const checkpoint_tensor> tensors, std::uint64_t model) {
  const safetensors_file file(path);
  checkpoint_state state = read_checkpoint_state(file);
  detail::check_tensors(file, tensors, false);
  detail::check_computation(file, model);
  file.verify();
  for (const auto& t : tensors) file.copy(t.name, t.type, t.shape, t.bytes);
  return state;
}

// Reads the named tensors alone, from a checkpoint or any other safetensors file.
inline void load_parameters(const std::filesystem::path& path, std::span<const checkpoint_tensor> tensors, std::uint64_t model) {
  const safetensors_file file(path);
  detail::check_tensors(file, tensors, true);
  detail::check_computation(file, model);
  file.verify();
  for (const auto& t : tensors) file.copy(t.name, t.type, t.shape, t.bytes);
}

}  // namespace formwork::train
