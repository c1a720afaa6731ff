// Blockwise attention. Counters: GFLOP/s of the products of visible pairs (4 D flops a pair forward, 10 D backward),
// the fraction of the multiply-add peak measured right before and after, and for decoding GB/s of keys and values.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "formwork/backend/cpu/attend.hpp"
#include "machine.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace {

using namespace formwork;
using std::ptrdiff_t;

// On large pages where the system gives them, as an arena is.
struct buffer {
  float* p;
  explicit buffer(std::size_t count, unsigned seed = 1) {
    const std::size_t page = 2u << 20, bytes = (count * sizeof(float) + page - 1) / page * page;
    p = static_cast<float*>(std::aligned_alloc(page, bytes));
#if defined(__linux__)
    madvise(p, bytes, MADV_HUGEPAGE);
#endif
    for (std::size_t i = 0; i < count; ++i) {
      seed = seed * 1664525u + 1013904223u;
      p[i] = static_cast<float>(seed >> 8) / 8388608.0f - 1.0f;
    }
  }
  ~buffer() { std::free(p); }
  buffer(buffer const&) = delete;
  buffer& operator=(buffer const&) = delete;
};

// Slices of one [B, T, (H + 2 G) D] buffer, as a fused projection writes them.
template <class Shape> struct operands {
  static constexpr ptrdiff_t D = Shape::width, C = (Shape::heads + 2 * Shape::groups) * D;
  static constexpr ptrdiff_t tokens = Shape::queries > Shape::keys ? Shape::queries : Shape::keys;
  static constexpr ptrdiff_t outputs = Shape::batch * Shape::queries * Shape::heads * D;
  buffer qkv{std::size_t(Shape::batch * tokens * C), 1}, d_qkv{std::size_t(Shape::batch * tokens * C), 2};
  buffer out{std::size_t(outputs), 3}, d_out{std::size_t(outputs), 4};
  buffer lse{std::size_t(Shape::batch * Shape::heads * Shape::queries), 5};
  cpu::scaled_score<float, cpu::attend_causal> score{1 / std::sqrt(float(D)), {Shape::keys - Shape::queries}};

  template <class T> static cpu::attend_rows<T> slice(float* base, ptrdiff_t head) {
    return {base + head * D, tokens * C, D, C};
  }
  template <class T> static cpu::attend_rows<T> result(float* base) {
    return {base, Shape::queries * Shape::heads * D, D, Shape::heads * D};
  }
  cpu::attend_inputs<float> inputs() const {
    return {slice<const float>(qkv.p, 0), slice<const float>(qkv.p, Shape::heads),
            slice<const float>(qkv.p, Shape::heads + Shape::groups)};
  }
  void forward() { cpu::attend_forward<float, Shape>(inputs(), result<float>(out.p), lse.p, score); }
  void backward() {
    cpu::attend_backward<float, Shape>(inputs(), result<const float>(out.p), lse.p, result<const float>(d_out.p),
                                       {slice<float>(d_qkv.p, 0), slice<float>(d_qkv.p, Shape::heads),
                                        slice<float>(d_qkv.p, Shape::heads + Shape::groups)},
                                       score);
  }
};

template <class Run> void timed(benchmark::State& state, double flops, double bytes, Run run) {
  run();
  std::vector<double> peaks{bench::multiply_add_peak()}, seconds;
  for (auto _ : state) {
    const double start = bench::seconds_now();
    run();
    seconds.push_back(bench::seconds_now() - start);
    state.SetIterationTime(seconds.back());
  }
  peaks.push_back(bench::multiply_add_peak());
  const double time = bench::median(seconds);
  state.counters["median_ms"] = 1e3 * time;
  state.counters["GFLOP/s"] = flops / time / 1e9;
  state.counters["of_peak"] = 2 * flops / time / (peaks[0] + peaks[1]);
  if (bytes > 0) state.counters["GB/s"] = bytes / time / 1e9;
}

template <int B, int H, int G, int Q, int K, int D> void register_shape() {
  using shape = cpu::attend_shape<B, H, G, Q, K, D>;
  // Causal pairs: query q of the last Q tokens sees K - Q + q + 1 keys.
  constexpr double pairs = double(B) * H * Q * (K - Q + (Q + 1) / 2.0);
  const std::string name = std::to_string(B) + "x" + std::to_string(H) + "/" + std::to_string(G) + "x" +
                           std::to_string(Q) + "x" + std::to_string(K) + "x" + std::to_string(D);
  benchmark::RegisterBenchmark(("forward/" + name).c_str(), [](benchmark::State& state) {
    operands<shape> x;
    timed(state, 4 * D * pairs, Q == 1 ? 8.0 * B * G * K * D : 0.0, [&] { x.forward(); });
  })->UseManualTime()->Unit(benchmark::kMillisecond);
  if constexpr (Q > 1) {
    benchmark::RegisterBenchmark(("backward/" + name).c_str(), [](benchmark::State& state) {
      operands<shape> x;
      x.forward();
      timed(state, 10 * D * pairs, 0, [&] { x.backward(); });
    })->UseManualTime()->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("both/" + name).c_str(), [](benchmark::State& state) {
      operands<shape> x;
      timed(state, 14 * D * pairs, 0, [&] { x.forward(), x.backward(); });
    })->UseManualTime()->Unit(benchmark::kMillisecond);
  }
}

}  // namespace

// Names: batch x heads / key-value groups x queries x keys x width, causal.
int main(int argc, char** argv) {
  register_shape<4, 12, 12, 1024, 1024, 64>();
  register_shape<4, 12, 12, 64, 64, 64>();
  register_shape<8, 6, 6, 256, 256, 64>();
  register_shape<16, 4, 4, 128, 128, 32>();
  register_shape<1, 16, 4, 1024, 1024, 128>();
  register_shape<4, 12, 12, 1, 1024, 64>();
  register_shape<1, 6, 6, 1, 256, 64>();
  register_shape<1, 32, 8, 1, 4096, 128>();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
