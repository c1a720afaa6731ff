// A traced program on the GPU, its inputs filled with random numbers.
#pragma once

#include "../op_sources.hpp"
#include "device.hpp"
#include "formwork/run/step.hpp"

namespace formwork::bench {

template <class Source, class Device = cuda_device> class device_program {
 public:
  using program = compiled<Source>;
  using run_type = step<program, Device>;

  explicit device_program(std::int32_t integer_limit = 1000) {
    graph g = Source::make();
    unsigned seed = 1;
    for (auto const& i : g.inputs) {
      const auto count = static_cast<std::size_t>(i.shape.elements());
      if (i.type == dtype::bf16) {
        memory_.push_back(bf16_on_device(count, ++seed));
      } else {
        std::vector<float> values = numbers_of(count, ++seed);
        if (i.type == dtype::i32)
          for (auto& x : values) x = std::bit_cast<float>(static_cast<std::int32_t>((x + 1) / 2 * static_cast<float>(integer_limit - 1)));
        memory_.emplace_back(count * sizeof(float));
        check(cudaMemcpy(memory_.back().p, values.data(), count * sizeof(float), cudaMemcpyHostToDevice), "cudaMemcpy");
      }
      inputs_.push_back(memory_.back().p);
    }
    for (auto const& o : g.outputs) {
      memory_.emplace_back(static_cast<std::size_t>(g[o.node].shape.elements()) * size_of(g[o.node].type));
      outputs_.push_back(memory_.back().p);
    }
    memory_.emplace_back(run_type::workspace_bytes);
    workspace_ = memory_.back().p;
    const random_state state{.seed = 5};
    memory_.emplace_back(sizeof(state));
    check(cudaMemcpy(memory_.back().p, &state, sizeof(state), cudaMemcpyHostToDevice), "cudaMemcpy");
    random_ = reinterpret_cast<const random_state*>(memory_.back().p);
  }
  void run(cudaStream_t stream) { run_type::run({.workspace = workspace_, .inputs = inputs_.data(), .outputs = outputs_.data(), .random_at = random_, .queue = stream}); }
  const std::byte* input(int k) const { return static_cast<const std::byte*>(inputs_[static_cast<std::size_t>(k)]); }
  const std::byte* output(int k) const { return static_cast<const std::byte*>(outputs_[static_cast<std::size_t>(k)]); }
  static std::string launches() { return "/launches:" + std::to_string(run_type::launches); }

 private:
  std::vector<device_memory> memory_;
  std::vector<void*> inputs_, outputs_;
  std::byte* workspace_ = nullptr;
  const random_state* random_ = nullptr;  // in memory of the GPU
};

}  // namespace formwork::bench
