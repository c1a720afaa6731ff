// decoder: runs a language model token by token. Each layer keeps the keys and values of what it has seen, so a
// token costs one column of the model instead of the whole sequence. A prompt is read in chunks.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "../core/arena.hpp"
#include "../nn/language_model.hpp"
#include "../run/step.hpp"
#include "sample.hpp"

namespace formwork {

template <class Model> struct decoder_source {
  static constexpr graph make() { return simplify(trace<decoded_logits_of, Model, language_model_step<1>>()); }
};

template <class Model, long Chunk> struct reader_source {
  static constexpr graph make() { return simplify(trace<read_by, Model, language_model_step<1, Chunk>>()); }
};

template <class Model, class Device> class decoder {
  using source = decoder_source<Model>;
  using program = compiled<source>;
  using pass = step<program, Device>;
  static constexpr int fixed_inputs = 2;  // token, position
  static constexpr int states = program::traced.input_count - fixed_inputs;
  static constexpr long chunk = Model::context < 32 ? Model::context : 32;  // tokens of a prompt at a time
  using chunk_program = compiled<reader_source<Model, chunk>>;
  using chunk_pass = step<chunk_program, Device>;
  static_assert(chunk_program::traced.input_count == program::traced.input_count && chunk_program::traced.output_count == states);
  static_assert(chunk_program::value.parameter_elements == program::value.parameter_elements);
  static_assert(program::traced.output_count == states + 1, "a state was read but not kept, or kept but not read");

 public:
  static constexpr long vocabulary = Model::vocabulary, context = Model::context;
  static constexpr long parameter_elements = program::value.parameter_elements;

  // parameters: the model's arena, laid out by memory_plan, which outlives the decoder.
  explicit decoder(std::span<const float> parameters) : parameters_(parameters), logits_(vocabulary) {
    if (static_cast<long>(parameters.size()) != parameter_elements) throw std::invalid_argument("decoder: the arena is not this model's.");
    const graph traced = thaw(program::traced);
    std::size_t end = std::max(pass::workspace_bytes, chunk_pass::workspace_bytes);
    for (std::size_t s = 0; s < states; ++s) {
      offset_[s] = end = static_cast<std::size_t>(round_up(static_cast<long>(end), 64));
      const auto& info = traced.inputs[fixed_inputs + s];
      std::size_t bytes = static_cast<std::size_t>(info.shape.elements()) * size_of(info.type);
      for (int loop = traced[info.node].scope; loop != 0; loop = traced.scopes[static_cast<std::size_t>(loop)].parent)
        bytes *= static_cast<std::size_t>(traced.scopes[static_cast<std::size_t>(loop)].count);
      end += bytes;
    }
    memory_ = arena(end);
  }

  // Tokens read since the beginning or the last reset.
  long position() const { return position_; }
  void reset() { position_ = 0; }

  // Reads a token: the logits of the one that follows, valid until the next call. Throws std::invalid_argument for a
  // token that is not in the vocabulary, and std::logic_error when the context is full.
  std::span<const float> operator()(std::int32_t token) {
    check({&token, 1});
    auto position = static_cast<std::int32_t>(position_);
    std::array<void*, fixed_inputs + states> inputs{&token, &position};
    std::array<void*, states + 1> outputs{};
    for (std::size_t s = 0; s < states; ++s) inputs[fixed_inputs + s] = outputs[s] = memory_.data() + offset_[s];
    outputs[states] = logits_.data();
    pass::run({.workspace = memory_.data(), .parameters = parameters(), .inputs = inputs.data(), .outputs = outputs.data()});
    ++position_;
    return logits_;
  }

  // Reads the tokens of a text, at least one, and gives the logits of the one that follows it. Throws as above.
  std::span<const float> read(std::span<const std::int32_t> tokens) {
    if (tokens.empty()) throw std::invalid_argument("decoder: there is no token to read.");
    check(tokens);
    for (; tokens.size() > 1; tokens = tokens.subspan(std::min<std::size_t>(tokens.size() - 1, chunk))) {
      std::array<std::int32_t, chunk> part{};  // the last one is filled up with any token
      const std::size_t count = std::min<std::size_t>(tokens.size() - 1, chunk);
      std::copy_n(tokens.begin(), count, part.begin());
      auto position = static_cast<std::int32_t>(position_);
      std::array<void*, fixed_inputs + states> inputs{part.data(), &position};
      std::array<void*, states> outputs{};
      for (std::size_t s = 0; s < states; ++s) inputs[fixed_inputs + s] = outputs[s] = memory_.data() + offset_[s];
      chunk_pass::run({.workspace = memory_.data(), .parameters = parameters(), .inputs = inputs.data(), .outputs = outputs.data()});
      position_ += static_cast<long>(count);
    }
    return (*this)(tokens.front());
  }

 private:
  void check(std::span<const std::int32_t> tokens) const {
    for (const auto token : tokens)
      if (token < 0 || token >= vocabulary) throw std::invalid_argument("decoder: token " + std::to_string(token) + " is not in the vocabulary.");
    if (static_cast<long>(tokens.size()) > context - position_)
      throw std::logic_error("decoder: the context is full; reset it and read the last tokens again.");
  }
  // A forward pass only reads.
  std::byte* parameters() const { return reinterpret_cast<std::byte*>(const_cast<float*>(parameters_.data())); }

  std::span<const float> parameters_;
  arena memory_;                             // workspace, then the states
  std::array<std::size_t, states> offset_{};
  std::vector<float> logits_;
  long position_ = 0;
};

// Goes on after the prompt (at least one token) for `length` tokens; calls each(token) as they come. When the context
// is full, the last half of it is read again.
template <class Decoder>
void generate(Decoder& model, std::span<const std::int32_t> prompt, long length, const sampling& settings, auto&& each) {
  if (prompt.empty()) throw std::invalid_argument("There is no prompt to go on from; give one of at least one token.");
  constexpr auto half = static_cast<std::size_t>((Decoder::context + 1) / 2);
  sampler draw(settings, static_cast<std::size_t>(Decoder::vocabulary));
  std::vector<std::int32_t> text(prompt.begin(), prompt.end());
  if (text.size() > static_cast<std::size_t>(Decoder::context)) text.erase(text.begin(), text.end() - static_cast<std::ptrdiff_t>(half));
  model.reset();
  std::span<const float> logits = model.read(text);
  for (long i = 0; i < length; ++i) {
    const std::int32_t token = draw(logits, static_cast<std::uint64_t>(i));
    each(token);
    text.push_back(token);
    if (i + 1 == length) break;
    if (model.position() < Decoder::context) {
      logits = model(token);
    } else {
      text.erase(text.begin(), text.end() - static_cast<std::ptrdiff_t>(half));
      model.reset();
      logits = model.read(text);
    }
  }
}

}  // namespace formwork
