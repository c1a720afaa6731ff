// Reading a prompt and going on from it, token by token, with a key-value cache: tokens/s. Going on, every parameter is
// read once for a token, and so bytes/s of parameters are held against the copy bandwidth measured in the same run.
//   decode [--benchmark_... options]
#include <benchmark/benchmark.h>

#include <memory>
#include <numeric>

#include "formwork/train/decoder.hpp"
#include "formwork/train/initialize.hpp"
#include "gpt_runs.hpp"
#include "machine.hpp"

namespace {

using namespace formwork;

template <class Model> struct generation {
  static constexpr auto elements = static_cast<std::size_t>(parameter_layout<Model>::elements);
  arena memory{elements * sizeof(float)};
  std::unique_ptr<decoder<Model, cpu_device>> model;

  generation() {
    const std::span<float> parameters(reinterpret_cast<float*>(memory.data()), elements);
    initialize<Model>(parameters, 1);
    model = std::make_unique<decoder<Model, cpu_device>>(parameters);
  }
};

// A prompt of `tokens`, from an empty cache on.
template <class Model> void read_prompt(benchmark::State& state) {
  generation<Model> g;
  std::vector<std::int32_t> prompt(static_cast<std::size_t>(state.range(0)));
  std::iota(prompt.begin(), prompt.end(), 1);
  for (auto _ : state) {
    g.model->reset();
    benchmark::DoNotOptimize(g.model->read(prompt).data());
  }
  state.counters["tokens/s"] = benchmark::Counter(static_cast<double>(state.iterations() * state.range(0)), benchmark::Counter::kIsRate);
}

// Tokens after `prompt` others: 32 of them, then the same again.
template <class Model> void go_on(benchmark::State& state) {
  constexpr long each = 32;
  generation<Model> g;
  std::vector<std::int32_t> prompt(static_cast<std::size_t>(state.range(0)));
  std::iota(prompt.begin(), prompt.end(), 1);
  const double before = bench::copy_bandwidth(3);
  for (auto _ : state) {
    state.PauseTiming();
    g.model->reset();
    g.model->read(prompt);
    state.ResumeTiming();
    for (std::int32_t i = 0; i < each; ++i) benchmark::DoNotOptimize((*g.model)(i).data());
  }
  const double copy = (before + bench::copy_bandwidth(3)) / 2;
  const double tokens = static_cast<double>(state.iterations() * each), bytes = tokens * static_cast<double>(parameter_count<Model>) * sizeof(float);
  state.counters["tokens/s"] = benchmark::Counter(tokens, benchmark::Counter::kIsRate);
  state.counters["bytes/s"] = benchmark::Counter(bytes, benchmark::Counter::kIsRate);
  state.counters["of_copy"] = benchmark::Counter(bytes / copy, benchmark::Counter::kIsRate);
}

using example = gpt<bench::four_layers>;
using gpt2 = gpt<bench::gpt2_short>;

}  // namespace

BENCHMARK(read_prompt<example>)->Name("read, 4 layers, 128 wide")->Arg(96)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(go_on<example>)->Name("go on, 4 layers, 128 wide")->Arg(64)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(read_prompt<gpt2>)->Name("read, gpt2 124M")->Arg(512)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(go_on<gpt2>)->Name("go on, gpt2 124M")->Arg(64)->Arg(960)->Unit(benchmark::kMillisecond)->UseRealTime();

BENCHMARK_MAIN();
