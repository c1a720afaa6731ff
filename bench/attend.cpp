// Blockwise attention. Counters: GFLOP/s of the products of visible pairs (4 D flops a pair forward, 10 D backward),
// the fraction of the multiply-add peak measured right before and after, and for decoding GB/s of keys and values.
#include <cmath>
#include <string>

#include "formwork/backend/cpu/attend.hpp"
#include "timed.hpp"

namespace {

using namespace formwork;
using bench::buffer;
using std::ptrdiff_t;

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

template <int B, int H, int G, int Q, int K, int D> void register_shape() {
  using shape = cpu::attend_shape<B, H, G, Q, K, D>;
  // Causal pairs: query q of the last Q tokens sees K - Q + q + 1 keys.
  constexpr double pairs = double(B) * H * Q * (K - Q + (Q + 1) / 2.0);
  const std::string name = std::to_string(B) + "x" + std::to_string(H) + "/" + std::to_string(G) + "x" +
                           std::to_string(Q) + "x" + std::to_string(K) + "x" + std::to_string(D);
  benchmark::RegisterBenchmark(("forward/" + name).c_str(), [](benchmark::State& state) {
    operands<shape> x;
    const double seconds = bench::timed(state, 4 * D * pairs, [&] { x.forward(); });
    if (Q == 1) state.counters["GB/s"] = 8.0 * B * G * K * D / seconds / 1e9;
  })->UseManualTime()->Unit(benchmark::kMillisecond);
  if constexpr (Q > 1) {
    benchmark::RegisterBenchmark(("backward/" + name).c_str(), [](benchmark::State& state) {
      operands<shape> x;
      x.forward();
      bench::timed(state, 10 * D * pairs, [&] { x.backward(); });
    })->UseManualTime()->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("both/" + name).c_str(), [](benchmark::State& state) {
      operands<shape> x;
      bench::timed(state, 14 * D * pairs, [&] { x.forward(), x.backward(); });
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
  return bench::run_benchmarks(argc, argv);
}
