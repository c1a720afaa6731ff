// One training step of GPT-2 124M on FORMWORK_SEQUENCES x 1024 tokens in bf16 with f32 parameters: gradients, clipping and
// AdamW as one CUDA graph. Prints what each kernel of the gradients takes, then times whole steps by the host's clock, as
// a user sees them: tokens go up and the loss comes back; one by one, and each begun while the one before is under way.
#include <memory>
#include <string>
#include <vector>

#include "../kernel_table.hpp"
#include "../training_fixture.hpp"
#include "device.hpp"
#include "formwork/nn/gpt.hpp"
#include "formwork/optim/adamw.hpp"

namespace {

using namespace formwork;
using run = training<gpt2_124m, adamw, batch<FORMWORK_SEQUENCES, 1024>, cuda_device, mixed<dtype::bf16>>;

using fixture = bench::training_fixture<run>;

// Each launch ten times in a row between two waits. What repeated launches make of the values is not looked at.
void print_kernels() {
  using programs = run_programs<run>;
  constexpr int repeats = 10;
  auto f = std::make_unique<fixture>();
  f->once();
  std::vector<bench::kernel_time> times(static_cast<std::size_t>(programs::training_step::kernels));
  f->step.observe_gradients(f->tokens, f->targets, [&](int kernel, auto const& launch) {
    launch();
    bench::check(cudaDeviceSynchronize(), "a kernel");
    bench::kernel_time& t = times[static_cast<std::size_t>(kernel)];
    t.seconds += bench::seconds_of([&] {
      for (int i = 0; i < repeats; ++i) launch();
      bench::check(cudaDeviceSynchronize(), "a kernel");
    }) / repeats;
    ++t.launches;
  });
  for (auto& t : times) t.seconds /= static_cast<double>(t.launches);
  bench::print_kernels<typename programs::training_program>("kernels of the gradients, " + std::to_string(FORMWORK_SEQUENCES) + " sequences", times);
}

void run_step(benchmark::State& state, bool ahead) {
  auto f = std::make_unique<fixture>();
  const float first = f->once().loss;
  for (int i = 0; i < 3; ++i) f->once();
  float loss = 0;
  if (ahead) f->begin();
  const double time = bench::median_of_loop(state, [&] {
    return bench::seconds_of([&] {
      if (ahead) f->begin();
      loss = ahead ? f->step.end().loss : f->once().loss;
    });
  });
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
  const std::string name = "training_step/gpt2_124M/" + std::to_string(FORMWORK_SEQUENCES) + "x1024";
  for (bool ahead : {false, true})
    benchmark::RegisterBenchmark((name + (ahead ? "/ahead" : "")).c_str(), run_step, ahead)->UseManualTime()->Iterations(bench::repetitions)->Unit(benchmark::kMillisecond);
  return bench::run_benchmarks(argc, argv, [] {
    if (!bench::print_device()) return false;
    print_kernels();
    return true;
  });
}
