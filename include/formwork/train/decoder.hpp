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

  // parameters: the model's arena, laid out by memory_plan, which outlives the decoder. A device with memory of its own
  // gets a copy, and what it takes from its caller.
  explicit decoder(std::span<const float> parameters, typename Device::session::options const& on = {})
      : places_(place_states()), session_(places_.end, exchange_bytes, recordings, on), parameters_(reinterpret_cast<std::byte*>(const_cast<float*>(parameters.data()))) {
    if (static_cast<long>(parameters.size()) != parameter_elements) throw std::invalid_argument("decoder: the arena is not this model's.");
    if constexpr (copies_parameters) {
      session_.upload(places_.parameters, parameters.data(), parameters.size_bytes());
      parameters_ = session_.memory() + places_.parameters;
    }
  }
  // Tokens read since the beginning or the last reset.
  long position() const { return position_; }
  void reset() { position_ = 0; }

  // Reads a token: the logits of the one that follows, valid until the next call. Throws std::invalid_argument for a
  // token that is not in the vocabulary, and std::logic_error when the context is full.
  std::span<const float> operator()(std::int32_t token) {
    check({&token, 1});
    run<pass>(one_token, {&token, 1});
    ++position_;
    return {reinterpret_cast<const float*>(session_.host_exchange() + logits_at), static_cast<std::size_t>(vocabulary)};
  }

  // Reads the tokens of a text, at least one, and gives the logits of the one that follows it. Throws as above.
  std::span<const float> read(std::span<const std::int32_t> tokens) {
    if (tokens.empty()) throw std::invalid_argument("decoder: there is no token to read.");
    check(tokens);
    for (; tokens.size() > 1; tokens = tokens.subspan(std::min<std::size_t>(tokens.size() - 1, chunk))) {
      std::array<std::int32_t, chunk> part{};  // the last one is filled up with any token
      const std::size_t count = std::min<std::size_t>(tokens.size() - 1, chunk);
      std::copy_n(tokens.begin(), count, part.begin());
      run<chunk_pass>(one_chunk, part);
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
  // A recording of a pass over some tokens at the present position: the states are read and written in place.
  template <class Pass> void run(int recording, std::span<const std::int32_t> tokens) {
    std::copy(tokens.begin(), tokens.end(), reinterpret_cast<std::int32_t*>(session_.host_exchange() + tokens_at));
    *reinterpret_cast<std::int32_t*>(session_.host_exchange() + position_at) = static_cast<std::int32_t>(position_);
    session_.run(recording, [&] {
      std::array<void*, fixed_inputs + states> inputs{session_.exchange() + tokens_at, session_.exchange() + position_at};
      std::array<void*, states + 1> outputs{};
      for (std::size_t s = 0; s < states; ++s) inputs[fixed_inputs + s] = outputs[s] = session_.memory() + places_.state[s];
      outputs[states] = session_.exchange() + logits_at;
      Pass::run({.workspace = session_.memory(), .parameters = parameters_, .inputs = inputs.data(), .outputs = outputs.data(), .queue = session_.queue()});
    });
  }

  // The session's memory: workspace, states, a copy of the parameters.
  struct state_places {
    std::array<std::size_t, states> state{};
    std::size_t parameters = 0, end = 0;
  };
  static state_places place_states() {
    state_places p;
    const graph traced = thaw(program::traced);
    p.end = std::max(pass::workspace_bytes, chunk_pass::workspace_bytes);
    for (std::size_t s = 0; s < states; ++s) {
      p.state[s] = p.end = static_cast<std::size_t>(round_up(static_cast<long>(p.end), 64));
      const auto& info = traced.inputs[fixed_inputs + s];
      std::size_t bytes = static_cast<std::size_t>(info.shape.elements()) * size_of(info.type);
      for (int loop = traced[info.node].scope; loop != 0; loop = traced.scopes[static_cast<std::size_t>(loop)].parent)
        bytes *= static_cast<std::size_t>(traced.scopes[static_cast<std::size_t>(loop)].count);
      p.end += bytes;
    }
    p.parameters = p.end = static_cast<std::size_t>(round_up(static_cast<long>(p.end), 64));
    if constexpr (copies_parameters) p.end += static_cast<std::size_t>(parameter_elements) * sizeof(float);
    return p;
  }

  using session = typename Device::session;
  static constexpr bool copies_parameters = !session::on_host;
  enum recording { one_token, one_chunk, recordings };
  // The exchange: tokens, their position, and the logits.
  static constexpr std::size_t tokens_at = 0, position_at = (static_cast<std::size_t>(chunk) * sizeof(std::int32_t) + 63) / 64 * 64, logits_at = position_at + 64;
  static constexpr std::size_t exchange_bytes = logits_at + static_cast<std::size_t>(vocabulary) * sizeof(float);

  state_places places_;
  session session_;
  std::byte* parameters_;  // a forward pass only reads
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
