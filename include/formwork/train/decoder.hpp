// decoder: runs a language model token by token. Each layer keeps the keys and values of what it has seen, so a
// token costs one column of the model instead of the whole sequence.
#pragma once

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

template <class Model, class Device> class decoder {
  using source = decoder_source<Model>;
  using program = compiled<source>;
  using pass = step<program, Device>;
  static constexpr int fixed_inputs = 2;  // token, position
  static constexpr int states = program::traced.input_count - fixed_inputs;
  static_assert(program::traced.output_count == states + 1, "a state was read but not kept, or kept but not read");

 public:
  static constexpr long vocabulary = Model::vocabulary, context = Model::context;
  static constexpr long parameter_elements = program::value.parameter_elements;

  // parameters: the model's arena, laid out by memory_plan, which outlives the decoder.
  explicit decoder(std::span<const float> parameters) : parameters_(parameters), logits_(vocabulary) {
    if (static_cast<long>(parameters.size()) != parameter_elements) throw std::invalid_argument("decoder: the arena is not this model's.");
    const graph traced = thaw(program::traced);
    std::size_t end = pass::workspace_bytes;
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
    if (token < 0 || token >= vocabulary) throw std::invalid_argument("decoder: token " + std::to_string(token) + " is not in the vocabulary.");
    if (position_ == context) throw std::logic_error("decoder: the context is full; reset it and read the last tokens again.");
    auto position = static_cast<std::int32_t>(position_);
    std::array<void*, fixed_inputs + states> inputs{&token, &position};
    std::array<void*, states + 1> outputs{};
    for (std::size_t s = 0; s < states; ++s) inputs[fixed_inputs + s] = outputs[s] = memory_.data() + offset_[s];
    outputs[states] = logits_.data();
    auto* parameters = reinterpret_cast<std::byte*>(const_cast<float*>(parameters_.data()));  // a forward pass only reads
    pass::run({.workspace = memory_.data(), .parameters = parameters, .inputs = inputs.data(), .outputs = outputs.data()});
    ++position_;
    return logits_;
  }

 private:
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
  std::span<const float> logits;
  for (const auto token : text) logits = model(token);
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
      for (const auto again : text) logits = model(again);
    }
  }
}

}  // namespace formwork
