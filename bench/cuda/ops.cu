// Operations that memory limits, stored in bf16 and computed in f32: layer norm, softmax, GELU, cross-entropy; AdamW, and
// the norm of the gradients of GPT-2 124M, in f32. GB/s of the fewest bytes that the operation can move, each operand and
// result counted once, and that as a part of the copy bandwidth measured in this run.
#include "../memory_ops.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/optim/optimizer_step.hpp"
#include "program.hpp"

namespace {

using namespace formwork;
using bench::cross_entropy_of, bench::gelu_of, bench::layer_norm_of, bench::softmax_of;
constexpr dtype stored = dtype::bf16;

template <class Source> void program(std::string const& name, double bytes) {
  using program_type = bench::device_program<Source>;
  benchmark::RegisterBenchmark((name + program_type::launches()).c_str(), [bytes](benchmark::State& state) {
    program_type p;
    bench::against_copying(state, bytes, bench::timed(state, [&](cudaStream_t s) { p.run(s); }));
  })->UseManualTime()->Iterations(bench::repetitions)->Unit(benchmark::kMicrosecond);
}
// Forward: x read, y written. Backward: x and dy read, dx written. 2 bytes each.
template <class F, class Inputs, class WithGradient> void both(std::string const& name, double elements) {
  program<bench::forward_source<F, Inputs>>(name + "/forward", 4 * elements);
  program<bench::gradient_source<F, WithGradient>>(name + "/backward", 6 * elements);
}

// The optimizer's way to the same sum, of the rows of its arena first: each gradient is read once.
template <long Count> void register_square_sum(std::string const& name) {
  using optimizer = optimizer_step<adamw, cuda_device, Count, Count>;
  benchmark::RegisterBenchmark((name + "/launches:" + std::to_string(optimizer::norm_program::launches)).c_str(), [](benchmark::State& state) {
    const bench::device_memory gradients(static_cast<std::size_t>(Count) * sizeof(float)), sum(64), workspace(optimizer::workspace_bytes);
    const std::vector<float> values = bench::numbers_of(Count, 3);
    bench::check(cudaMemcpy(gradients.p, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice), "cudaMemcpy");
    auto at = [](bench::device_memory const& m) { return reinterpret_cast<float*>(m.p); };
    bench::against_copying(state, 4.0 * Count, bench::timed(state, [&](cudaStream_t s) { optimizer::square_sum(at(gradients), at(sum), workspace.p, s); }));
  })->UseManualTime()->Iterations(bench::repetitions)->Unit(benchmark::kMicrosecond);
}

// Loshchilov & Hutter 2019, algorithm 2: p, m and v are read and written, g is read: 28 bytes a parameter.
template <long Count> void register_adamw(std::string const& name) {
  using optimizer = optimizer_step<adamw, cuda_device, Count, Count>;
  benchmark::RegisterBenchmark((name + "/launches:" + std::to_string(optimizer::update_program::launches)).c_str(), [](benchmark::State& state) {
    constexpr std::size_t bytes = static_cast<std::size_t>(Count) * sizeof(float);
    const bench::device_memory parameters(bytes), gradients(bytes), states(2 * bytes), numbers(64 + optimizer::numbers * sizeof(float)), sum(64), workspace(optimizer::workspace_bytes);
    const std::vector<float> values = bench::numbers_of(Count, 3);
    for (auto const* m : {&parameters, &gradients}) bench::check(cudaMemcpy(m->p, values.data(), bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
    bench::check(cudaMemset(states.p, 0, 2 * bytes), "cudaMemset");
    const auto told = optimizer::numbers_of(1e-3f, 1, 1.f);
    bench::check(cudaMemcpy(numbers.p, told.data(), sizeof(told), cudaMemcpyHostToDevice), "cudaMemcpy");
    auto at = [](bench::device_memory const& m) { return reinterpret_cast<float*>(m.p); };
    optimizer::square_sum(at(gradients), at(sum), workspace.p, bench::the_timer().stream);
    const double seconds = bench::timed(state, [&](cudaStream_t s) { optimizer::update(at(parameters), at(gradients), at(states), at(numbers), at(sum), nullptr, workspace.p, s); });
    bench::against_copying(state, 28.0 * Count, seconds);
  })->UseManualTime()->Iterations(bench::repetitions)->Unit(benchmark::kMicrosecond);
}

}  // namespace

int main(int argc, char** argv) {
  both<layer_norm_of, bench::norm_inputs<stored, 16384, 768>, bench::norm_inputs_and_gradient<stored, 16384, 768>>("layer_norm/16384x768", 16384.0 * 768);
  both<softmax_of, bench::rows<stored, shape<49152, 1024>>, bench::rows_and_gradient<stored, shape<49152, 1024>>>("softmax/49152x1024", 49152.0 * 1024);
  both<gelu_of, bench::rows<stored, shape<16384, 3072>>, bench::rows_and_gradient<stored, shape<16384, 3072>>>("gelu_tanh/16384x3072", 16384.0 * 3072);
  // The loss reads the logits; with its gradient it reads and writes them.
  program<bench::forward_source<cross_entropy_of, bench::loss_inputs<stored, 4096, 50257>>>("cross_entropy/4096x50257/forward", 2 * 4096.0 * 50257);
  program<bench::gradient_source<cross_entropy_of, bench::loss_inputs<stored, 4096, 50257>>>("cross_entropy/4096x50257/both", 4 * 4096.0 * 50257);
  register_square_sum<124440576>("gradient_norm/124440576");
  register_adamw<128l * 1024 * 1024>("adamw/128Mi");
  return bench::run_on_device(argc, argv);
}
