// Operations that memory limits: layer norm, softmax, GELU, cross-entropy and AdamW, forward and backward, as
// compiled programs. Counters: bytes/s of the fewest bytes that the operation can move, counting each operand and
// result once, and that as a fraction of the copy bandwidth measured right before.
//   ops  [--benchmark_filter=...]
#include <benchmark/benchmark.h>

#include <string>

#include "formwork/nn/loss.hpp"
#include "formwork/nn/normalization.hpp"
#include "formwork/ops/gelu_tanh.hpp"
#include "formwork/ops/sqrt.hpp"
#include "formwork/run/assign.hpp"
#include "machine.hpp"
#include "op_sources.hpp"

namespace {

using namespace formwork;

template <class Shape> struct rows_and_gradient {
  using tensor_type = input<dtype::f32, Shape>;
  BOOST_HANA_DEFINE_STRUCT(rows_and_gradient, (tensor_type, x), (tensor_type, dy));
};
template <long Rows, long Columns> struct norm_inputs {
  using tensor_type = input<dtype::f32, shape<Rows, Columns>>;
  using row_type = input<dtype::f32, shape<Columns>>;
  BOOST_HANA_DEFINE_STRUCT(norm_inputs, (tensor_type, x), (row_type, gain), (row_type, bias), (tensor_type, dy));
};
template <long Rows, long Classes> struct loss_inputs {
  using tensor_type = input<dtype::f32, shape<Rows, Classes>>;
  using target_type = input<dtype::i32, shape<Rows>>;
  BOOST_HANA_DEFINE_STRUCT(loss_inputs, (tensor_type, logits), (target_type, targets));
};

struct layer_norm_of { constexpr auto operator()(auto const& in) const { return standardize(in.x) * in.gain + in.bias; } };
struct softmax_of { constexpr auto operator()(auto const& in) const { return softmax(in.x); } };
struct gelu_of { constexpr auto operator()(auto const& in) const { return gelu_tanh(in.x); } };
struct cross_entropy_of { constexpr auto operator()(auto const& in) const { return cross_entropy(in.logits, in.targets); } };

// Memory of every input and output of a program, filled with small numbers (integers: below 1000).
template <class Source> struct execution {
  using program = compiled<Source>;
  using run_type = step<program, cpu_device>;
  static constexpr int count = [] {
    graph g = Source::make();
    return static_cast<int>(g.inputs.size() + g.outputs.size());
  }();
  std::vector<std::unique_ptr<std::byte[], void (*)(void*)>> memory;
  std::vector<void*> inputs, outputs;
  std::byte* workspace;

  execution() {
    graph g = Source::make();
    for (auto const& i : g.inputs) {
      inputs.push_back(allocate(static_cast<std::size_t>(i.shape.elements()) * 4));
      for (long k = 0; k < i.shape.elements(); ++k) {
        if (i.type == dtype::i32) static_cast<std::int32_t*>(inputs.back())[k] = static_cast<std::int32_t>(k * 37 % 1000);
        else static_cast<float*>(inputs.back())[k] = static_cast<float>((k * 7919 + k / 511) % 2001 - 1000) * 0.002f;
      }
    }
    for (auto const& o : g.outputs) outputs.push_back(allocate(static_cast<std::size_t>(g[o.node].shape.elements()) * 4));
    workspace = static_cast<std::byte*>(allocate(run_type::workspace_bytes));
  }
  void* allocate(std::size_t bytes) {
    bytes = (bytes + 4096) / 4096 * 4096;
    memory.emplace_back(static_cast<std::byte*>(std::aligned_alloc(4096, bytes)), std::free);
    std::fill_n(memory.back().get(), bytes, std::byte{});
    return memory.back().get();
  }
  void run() { run_type::run({workspace, nullptr, nullptr, inputs.data(), outputs.data()}); }
};

template <class Run> void measure(benchmark::State& state, double bytes, Run const& run) {
  const double copy = bench::copy_bandwidth(cpu::thread_count(), 5);
  run();
  std::vector<double> seconds;
  for (auto _ : state) {
    const double start = bench::seconds_now();
    run();
    seconds.push_back(bench::seconds_now() - start);
    state.SetIterationTime(seconds.back());
  }
  const double rate = bytes / bench::median(seconds);
  state.counters["GB/s"] = rate * 1e-9;
  state.counters["of copy"] = rate / copy;
  state.counters["copy GB/s"] = copy * 1e-9;
}

template <class Source> void program(std::string const& name, double elements) {
  benchmark::RegisterBenchmark((name + "/kernels:" + std::to_string(compiled<Source>::kernels)).c_str(), [elements](benchmark::State& state) {
    execution<Source> e;
    measure(state, 4 * elements, [&] { e.run(); });
  })->UseManualTime()->Unit(benchmark::kMillisecond);
}

// Forward: x read, y written. Backward: x and dy read, dx written.
template <class F, class Inputs> void both(std::string const& name, double elements) {
  program<bench::forward_source<F, Inputs>>(name + "/forward", 2 * elements);
  program<bench::gradient_source<F, Inputs>>(name + "/backward", 3 * elements);
}

// Loshchilov & Hutter 2019, algorithm 2: p, m and v are read and written, g is read: 28 bytes a parameter.
template <long Count> void adamw(benchmark::State& state) {
  tensor<float, shape<Count>> p, g, m, v;
  g.fill(0.01f);
  p.fill(0.5f);
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
  both<layer_norm_of, norm_inputs<4096, 768>>("layer_norm/4096x768", 4096.0 * 768);
  both<softmax_of, rows_and_gradient<shape<49152, 1024>>>("softmax/49152x1024", 49152.0 * 1024);
  both<gelu_of, rows_and_gradient<shape<4096, 3072>>>("gelu_tanh/4096x3072", 4096.0 * 3072);
  // The loss reads the logits; with its gradient it reads and writes them.
  program<bench::forward_source<cross_entropy_of, loss_inputs<256, 50257>>>("cross_entropy/256x50257/forward", 256.0 * 50257);
  program<bench::gradient_source<cross_entropy_of, loss_inputs<256, 50257>>>("cross_entropy/256x50257/both", 2 * 256.0 * 50257);
  benchmark::RegisterBenchmark("adamw/64Mi", adamw<64 * 1024 * 1024>)->UseManualTime()->Unit(benchmark::kMillisecond);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
