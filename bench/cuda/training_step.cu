// One training step of GPT-2 124M on FORMWORK_SEQUENCES x 1024 tokens in bf16 with f32 parameters: gradients, clipping and
// AdamW as one CUDA graph. Prints what each kernel of the gradients takes, then times whole steps by the host's clock, as
// a user sees them: tokens go up and the loss comes back.
#include <chrono>
#include <memory>
#include <random>

#include "device.hpp"
#include "formwork/nn/gpt.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/train/training_step.hpp"

namespace {

using namespace formwork;
using run = training<gpt2_124m, adamw, batch<FORMWORK_SEQUENCES, 1024>, cuda_device, mixed<dtype::bf16>>;

struct fixture {
  training_step<run> step{1};
  std::vector<std::int32_t> tokens, targets;
  fixture() {
    std::mt19937 random(7);
    for (long i = 0; i < run::tokens; ++i) {
      tokens.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned long>(run::vocabulary)));
      targets.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned long>(run::vocabulary)));
    }
  }
  step_result once() { return step.step(tokens, targets, 1e-4f); }
};

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Each launch ten times in a row between two waits. What repeated launches make of the values is not looked at.
void print_kernels() {
  using programs = run_programs<run>;
  using step_t = typename programs::training_step;
  constexpr int times = 10;
  auto f = std::make_unique<fixture>();
  f->once();
  std::vector<double> seconds(static_cast<std::size_t>(step_t::kernels));
  std::vector<long> launches(seconds.size());
  f->step.observe_gradients(f->tokens, f->targets, [&](int kernel, auto const& launch) {
    launch();
    bench::check(cudaDeviceSynchronize(), "a kernel");
    const double begin = seconds_now();
    for (int i = 0; i < times; ++i) launch();
    bench::check(cudaDeviceSynchronize(), "a kernel");
    seconds[static_cast<std::size_t>(kernel)] += (seconds_now() - begin) / times;
    ++launches[static_cast<std::size_t>(kernel)];
  });
  double all = 0;
  for (double s : seconds) all += s;
  std::printf("kernels of the gradients, %d sequences: %.3f ms\n", FORMWORK_SEQUENCES, 1e3 * all);
  for (int k = 0; k < step_t::kernels; ++k) {
    frozen_kernel const& q = programs::training_program::value.kernels[static_cast<std::size_t>(k)];
    const auto at = static_cast<std::size_t>(k);
    const double each = seconds[at] / static_cast<double>(launches[at]);
    std::printf("  %2d %-15s %5ld x %5ld x %6ld %6ld  %3ld x %9.1f us  %4.1f%%", k, std::string(name_of(q.what)).c_str(), q.batch, q.rows, q.columns, q.depth, launches[at], 1e6 * each,
                100 * seconds[at] / all);
    if (q.what == skeleton::contract) std::printf("  %6.1f TFLOP/s", 2e-12 * static_cast<double>(q.batch * q.rows * q.columns) * static_cast<double>(q.depth) / each);
    std::printf("\n");
  }
  std::fflush(stdout);
}

void run_step(benchmark::State& state) {
  auto f = std::make_unique<fixture>();
  const float first = f->once().loss;
  for (int i = 0; i < 3; ++i) f->once();
  std::vector<double> seconds;
  float loss = 0;
  for (auto _ : state) {
    const double begin = seconds_now();
    loss = f->once().loss;
    seconds.push_back(seconds_now() - begin);
    state.SetIterationTime(seconds.back());
  }
  const double time = bench::median(seconds);
  state.counters["median_us"] = 1e6 * time;
  state.counters["tokens/s"] = static_cast<double>(run::tokens) / time;
  state.counters["arena_MiB"] = static_cast<double>(arena_bytes<run>) / static_cast<double>(MiB);
  state.counters["graph_nodes"] = static_cast<double>(f->step.recorded_nodes());
  state.counters["first_loss"] = static_cast<double>(first);
  state.counters["last_loss"] = static_cast<double>(loss);
  bench::against_products(state, flops_per_token<run> * static_cast<double>(run::tokens), time);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  if (!bench::print_device()) return 0;
  print_kernels();
  benchmark::RegisterBenchmark(("training_step/gpt2_124M/" + std::to_string(FORMWORK_SEQUENCES) + "x1024").c_str(), run_step)->UseManualTime()->Iterations(bench::repetitions)->Unit(benchmark::kMillisecond);
  benchmark::RunSpecifiedBenchmarks();
}
