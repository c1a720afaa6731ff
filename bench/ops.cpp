// Operations that memory limits: layer norm, softmax, GELU, cross-entropy and AdamW, forward and backward, as
// compiled programs. Counters: bytes/s of the fewest bytes that the operation can move, counting each operand and
// result once, and that as a fraction of the bytes/s of a copy, which takes turns with the operation call by call and
// leaves nothing of its operands in the caches.
//   ops  [--benchmark_filter=...]
#include <algorithm>
#include <string>
#include <vector>

#include "formwork/core/arena.hpp"
#include "formwork/ops/sqrt.hpp"
#include "formwork/run/assign.hpp"
#include "machine.hpp"
#include "memory_ops.hpp"
#include "op_sources.hpp"

namespace {

using namespace formwork;
using bench::cross_entropy_of, bench::gelu_of, bench::layer_norm_of, bench::softmax_of;
constexpr dtype f32 = dtype::f32;

// Every input and output of a program in one arena, filled with small numbers (integers: below 1000).
template <class Source> struct execution {
  using program = compiled<Source>;
  using run_type = step<program, cpu_device>;
  arena memory;
  std::size_t used = 0;
  std::vector<void*> inputs, outputs;
  std::byte* workspace;

  execution() {
    graph g = Source::make();
    std::size_t bytes = rounded(run_type::workspace_bytes);
    for (auto const& i : g.inputs) bytes += rounded(bytes_of(i.shape));
    for (auto const& o : g.outputs) bytes += rounded(bytes_of(g[o.node].shape));
    memory = arena(bytes);
    for (auto const& i : g.inputs) {
      inputs.push_back(take(bytes_of(i.shape)));
      for (long k = 0; k < i.shape.elements(); ++k) {
        if (i.type == dtype::i32) static_cast<std::int32_t*>(inputs.back())[k] = static_cast<std::int32_t>(k * 37 % 1000);
        else static_cast<float*>(inputs.back())[k] = static_cast<float>((k * 7919 + k / 511) % 2001 - 1000) * 0.002f;
      }
    }
    for (auto const& o : g.outputs) outputs.push_back(take(bytes_of(g[o.node].shape)));
    workspace = take(run_type::workspace_bytes);
  }
  static std::size_t bytes_of(dims const& shape) { return static_cast<std::size_t>(shape.elements()) * 4; }
  static std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }
  std::byte* take(std::size_t bytes) {
    std::byte* const p = memory.data() + used;
    used += rounded(bytes);
    return p;
  }
  void run() { run_type::run({workspace, nullptr, nullptr, inputs.data(), outputs.data()}); }
};

template <class Run> void measure(benchmark::State& state, double bytes, Run const& run) {
  const bench::memory_copy copy;
  std::vector<double> rates, ratios;
  run();
  const double rate = bytes / bench::median_of_loop(state, [&] {
    rates.push_back(copy());
    const double seconds = bench::seconds_of(run);
    ratios.push_back(bytes / seconds / rates.back());
    return seconds;
  });
  state.counters["GB/s"] = rate * 1e-9;
  state.counters["of copy"] = bench::median(ratios);
  state.counters["copy GB/s"] = bench::median(rates) * 1e-9;
}

template <class Source> void program(std::string const& name, double elements) {
  benchmark::RegisterBenchmark((name + "/kernels:" + std::to_string(compiled<Source>::kernels)).c_str(), [elements](benchmark::State& state) {
    execution<Source> e;
    measure(state, 4 * elements, [&] { e.run(); });
  })->UseManualTime()->Unit(benchmark::kMillisecond);
}

// Forward: x read, y written. Backward: x and dy read, dx written.
template <class F, class Inputs, class WithGradient> void both(std::string const& name, double elements) {
  program<bench::forward_source<F, Inputs>>(name + "/forward", 2 * elements);
  program<bench::gradient_source<F, WithGradient>>(name + "/backward", 3 * elements);
}

// Loshchilov & Hutter 2019, algorithm 2: p, m and v are read and written, g is read: 28 bytes a parameter.
template <long Count> void adamw(benchmark::State& state) {
  const arena memory(4 * sizeof(float) * Count);
  float* const all = reinterpret_cast<float*>(memory.data());
  std::fill_n(all, Count, 0.5f);
  std::fill_n(all + Count, Count, 0.01f);
  view<float, shape<Count>> p(all), g(all + Count), m(all + 2 * Count), v(all + 3 * Count);
  float rate = 1e-3f, correction = 1.5f;
  measure(state, 28.0 * Count, [&] {
    assign(std::tie(p, m, v),
           [](auto x, auto dx, auto first, auto second, auto lr, auto scale) {
             auto a = first * 0.9f + dx * 0.1f;
             auto b = second * 0.999f + dx * dx * 0.001f;
             return std::tuple(x - lr * (a * scale / (sqrt(b) + 1e-8f) + 0.1f * x), a, b);
           },
           p, g, m, v, rate, correction);
  });
}

}  // namespace

int main(int argc, char** argv) {
  both<layer_norm_of, bench::norm_inputs<f32, 4096, 768>, bench::norm_inputs_and_gradient<f32, 4096, 768>>("layer_norm/4096x768", 4096.0 * 768);
  both<softmax_of, bench::rows<f32, shape<49152, 1024>>, bench::rows_and_gradient<f32, shape<49152, 1024>>>("softmax/49152x1024", 49152.0 * 1024);
  both<gelu_of, bench::rows<f32, shape<4096, 3072>>, bench::rows_and_gradient<f32, shape<4096, 3072>>>("gelu_tanh/4096x3072", 4096.0 * 3072);
  // The loss reads the logits; with its gradient it reads and writes them.
  program<bench::forward_source<cross_entropy_of, bench::loss_inputs<f32, 256, 50257>>>("cross_entropy/256x50257/forward", 256.0 * 50257);
  program<bench::gradient_source<cross_entropy_of, bench::loss_inputs<f32, 256, 50257>>>("cross_entropy/256x50257/both", 2 * 256.0 * 50257);
  benchmark::RegisterBenchmark("adamw/64Mi", adamw<64 * 1024 * 1024>)->UseManualTime()->Unit(benchmark::kMillisecond);
  return bench::run_benchmarks(argc, argv);
}
