// The files of make_golden.py, and the models that they hold.
#pragma once

#include <string>
#include <vector>

#include "formwork/nn/gpt.hpp"
#include "formwork/nn/language_model.hpp"
#include "formwork/nn/llama.hpp"
#include "formwork/train/safetensors.hpp"

namespace formwork::testing {

inline constexpr long golden_steps = 10, golden_batch = 3, golden_time = 12;
using golden_inputs = language_model_inputs<golden_batch, golden_time>;

struct golden_gpt_config : gpt_config {
  static constexpr int vocabulary = 64, context = 16, layers = 2, heads = 4, width = 32;
};
struct golden_llama_config : llama_config {
  static constexpr int vocabulary = 64, context = 16, layers = 2, heads = 4, kv_heads = 2, width = 32,
                       hidden = 48;
};

class golden_file {
 public:
  explicit golden_file(std::string const& model)
      : file(std::filesystem::path(FORMWORK_SOURCE_DIR) / "tests/golden" / (model + ".safetensors")) {}

  // A tensor's elements; T is float or std::int32_t.
  template <class T>
  std::vector<T> get(std::string const& name, std::vector<std::uint64_t> const& shape) const {
    std::uint64_t n = 1;
    for (auto s : shape) n *= s;
    std::vector<T> x(n);
    file.copy(name, std::is_same_v<T, float> ? dtype::f32 : dtype::i32, shape,
              std::as_writable_bytes(std::span(x)));
    return x;
  }
  // "initial" or "gradient" of a parameter; that of a loop has the layers one after the other.
  std::vector<float> get(std::string const& what, parameter_info const& p) const {
    std::vector<std::uint64_t> shape(p.shape.size, p.shape.size + p.shape.rank);
    std::string name = what + "." + std::string(p.name.view());
    auto star = name.find('*');
    if (star == std::string::npos) return get<float>(name, shape);
    std::vector<float> all;
    for (long i = 0; i < p.copies; ++i) {
      auto x = get<float>(std::string(name).replace(star, 1, std::to_string(i)), shape);
      all.insert(all.end(), x.begin(), x.end());
    }
    return all;
  }
  // Numbers [batch, time] of one step: "tokens" or "targets".
  std::vector<std::int32_t> numbers(std::string const& what, long step) const {
    auto x = get<std::int32_t>(what, {golden_steps, golden_batch, golden_time});
    return {x.begin() + step * golden_batch * golden_time,
            x.begin() + (step + 1) * golden_batch * golden_time};
  }
  std::vector<float> losses() const { return get<float>("losses", {golden_steps}); }

  // How many parameters the file has.
  std::size_t parameters() const {
    std::size_t n = 0;
    for (auto const& t : file.tensors()) n += t.name.starts_with("initial.");
    return n;
  }

 private:
  train::safetensors_file file;
};

}  // namespace formwork::testing
