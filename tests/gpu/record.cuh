// Runs a training on the GPU and counts what its session asks of the CUDA runtime.
#pragma once

#include "formwork/backend/cuda/cuda.hpp"
#include "gpu/models.hpp"
#include "gpu/training.hpp"

namespace {

using namespace formwork;

// The CUDA runtime as every session uses it, counted.
struct call_counts { long starts = 0, launches = 0, recordings = 0, allocations = 0, waits = 0; };
class counting_runtime : public gpu::runtime {
 public:
  static inline call_counts calls;
  gpu::memory_block allocate(std::size_t bytes) {
    ++calls.allocations;
    return gpu::runtime::allocate(bytes);
  }
  gpu::memory_block allocate_pinned(std::size_t bytes) {
    ++calls.allocations;
    return gpu::runtime::allocate_pinned(bytes);
  }
  void wait() {
    ++calls.waits;
    gpu::runtime::wait();
  }
  void wait(event e) {
    ++calls.waits;
    gpu::runtime::wait(e);
  }
  void begin_recording() {
    ++calls.recordings;
    gpu::runtime::begin_recording();
  }
  void start(graph g) {
    ++calls.starts;
    gpu::runtime::start(g);
  }
};
struct counting_launcher {
  using session = gpu::session<counting_runtime>;
  template <class Launch, int N> static void launch(gpu::kernel_arguments<N> const& a, void* queue) {
    ++counting_runtime::calls.launches;
    gpu::launcher::launch<Launch>(a, queue);
  }
};
template <gpu::f32_products Products> using counted_device = gpu::device<counting_launcher, gpu::options<Products>>;

template <class Run> testing::run_record record_run() {
  testing::run_record r;
  training_step<Run> step(7);
  testing::record_steps(step, Run::tokens, static_cast<int>(Run::vocabulary), r);
  r.nodes = step.recorded_nodes();
  r.expected_nodes = kernels_per_step<Run> + 2;  // the exchange up and down
  const auto before = counting_runtime::calls;
  const auto tokens = testing::tokens_of(Run::tokens, static_cast<int>(Run::vocabulary), 1, false);
  for (int i = 0; i < testing::recorded_steps; ++i) step.step(tokens, tokens, testing::recorded_rate);
  const auto after = counting_runtime::calls;
  r.graph_launches = after.starts - before.starts;
  r.launches = after.launches - before.launches;
  r.recordings = after.recordings - before.recordings;
  r.allocations = after.allocations - before.allocations;
  r.waits = after.waits - before.waits;
  training_step<Run> ahead(7);
  testing::record_steps_ahead(ahead, Run::tokens, static_cast<int>(Run::vocabulary), r);
  return r;
}

using exact = counted_device<gpu::f32_products::exact>;
using tf32 = counted_device<gpu::f32_products::tf32>;

}  // namespace
