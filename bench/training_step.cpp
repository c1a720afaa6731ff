// One training step on the CPU: gradients, then AdamW. Prints what each kernel of a step takes (median launch), then
// runs as a Google Benchmark with tokens/s, FLOP/s by the 6 N convention and the fraction of the machine's
// multiply-add peak measured in the same run.
//   training_step [--benchmark_... options]
#include <benchmark/benchmark.h>

#include <sys/resource.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "gpt_runs.hpp"
#include "machine.hpp"

namespace {

using namespace formwork;
using bench::gpt2_run;
using bench::small_run;

// Median seconds of every kernel's launches over a few steps.
template <class Run> void print_kernels(const char* name) {
  using programs = run_programs<Run>;
  using step_t = typename programs::training_step;
  auto f = std::make_unique<bench::training_fixture<Run>>();
  f->once();
  std::vector<std::vector<double>> seconds(static_cast<std::size_t>(step_t::kernels));
  for (int repeat = 0; repeat < 5; ++repeat)
    f->step.observe_gradients(f->tokens, f->targets, [&](int kernel, auto const& launch) {
      const double begin = bench::seconds_now();
      launch();
      seconds[static_cast<std::size_t>(kernel)].push_back(bench::seconds_now() - begin);
    });
  std::printf("%s: kernels of one step (median of a launch)\n", name);
  for (int k = 0; k < step_t::kernels; ++k) {
    frozen_kernel const& q = programs::training_program::value.kernels[static_cast<std::size_t>(k)];
    const double s = bench::median(seconds[static_cast<std::size_t>(k)]);
    std::printf("  %2d %-15s %5ld x %5ld x %6ld %6ld  %3zu x %8.3f ms", k, std::string(name_of(q.what)).c_str(), q.batch, q.rows, q.columns, q.depth,
                seconds[static_cast<std::size_t>(k)].size() / 5, 1e3 * s);
    if (q.what == skeleton::contract)
      std::printf("  %6.1f GFLOP/s", 2e-9 * static_cast<double>(q.batch * q.rows * q.columns * q.depth) / s);
    std::printf("\n");
  }
}

template <class Run> void run_step(benchmark::State& state) {
  auto f = std::make_unique<bench::training_fixture<Run>>();
  f->once();
  for (auto _ : state) benchmark::DoNotOptimize(f->once());
  const double tokens = static_cast<double>(state.iterations()) * static_cast<double>(Run::tokens);
  const double peak = multiply_add_peak();
  state.counters["tokens/s"] = benchmark::Counter(tokens, benchmark::Counter::kIsRate);
  state.counters["flop/s"] = benchmark::Counter(tokens * flops_per_token<Run>, benchmark::Counter::kIsRate);
  state.counters["of_peak"] = benchmark::Counter(tokens * flops_per_token<Run> / peak, benchmark::Counter::kIsRate);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  state.counters["resident_MiB"] = static_cast<double>(usage.ru_maxrss) / 1024;  // the process's highest so far
  state.counters["arena_MiB"] = static_cast<double>(arena_bytes<Run>) / static_cast<double>(MiB);
}

}  // namespace

BENCHMARK(run_step<small_run>)->Name("gpt 6 layers, 384 wide, 8 x 256, f32")->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(run_step<gpt2_run>)->Name("gpt2 124M, 4 x 64, f32")->Unit(benchmark::kMillisecond)->UseRealTime();

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  print_kernels<small_run>("gpt 6 layers, 384 wide, 8 x 256");
  print_kernels<gpt2_run>("gpt2 124M, 4 x 64");
  benchmark::RunSpecifiedBenchmarks();
}
