// One training step on the CPU: gradients, then AdamW. Prints what each kernel of a step takes (median launch), then
// runs as a Google Benchmark with tokens/s, FLOP/s by the 6 N convention and the fraction of the machine's
// multiply-add peak measured in the same run.
//   training_step [--benchmark_... options]
#include <sys/resource.h>

#include <memory>
#include <string>
#include <vector>

#include "gpt_runs.hpp"
#include "kernel_table.hpp"
#include "machine.hpp"
#include "training_fixture.hpp"

namespace {

using namespace formwork;
using bench::gpt2_run;
using bench::small_run;

// Median seconds of every kernel's launches over a few steps.
template <class Run> void print_kernels(const char* name) {
  using programs = run_programs<Run>;
  constexpr int repeats = 5;
  auto f = std::make_unique<bench::training_fixture<Run>>();
  f->once();
  std::vector<std::vector<double>> seconds(static_cast<std::size_t>(programs::training_step::kernels));
  for (int repeat = 0; repeat < repeats; ++repeat)
    f->step.observe_gradients(f->tokens, f->targets, [&](int kernel, auto const& launch) { seconds[static_cast<std::size_t>(kernel)].push_back(bench::seconds_of(launch)); });
  std::vector<bench::kernel_time> times;
  for (auto const& s : seconds) times.push_back({bench::median(s), static_cast<long>(s.size()) / repeats});
  bench::print_kernels<typename programs::training_program>(name + std::string(": kernels of the gradients (median of a launch)"), times);
}

template <class Run> void run_step(benchmark::State& state) {
  auto f = std::make_unique<bench::training_fixture<Run>>();
  f->once();
  for (auto _ : state) benchmark::DoNotOptimize(f->once().loss);
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
  return bench::run_benchmarks(argc, argv, [] {
    print_kernels<small_run>("gpt 6 layers, 384 wide, 8 x 256");
    print_kernels<gpt2_run>("gpt2 124M, 4 x 64");
    return true;
  });
}
