// Causal attention in bf16, alone and with a tenth of the probabilities dropped. FLOP/s count the products of visible pairs, 4 D
// a pair forward and 10 D backward, with dropout as without; `both` is the forward and the backward pass, `backward_us` what is
// left of it without the forward one.
#include "formwork/nn/attention.hpp"
#include "program.hpp"

namespace {

using namespace formwork;

template <class Shape> struct operands {
  using tensor_type = input<dtype::bf16, Shape>;
  BOOST_HANA_DEFINE_STRUCT(operands, (tensor_type, q), (tensor_type, k), (tensor_type, v));
};
template <class Shape> struct operands_and_gradient {
  using tensor_type = input<dtype::bf16, Shape>;
  BOOST_HANA_DEFINE_STRUCT(operands_and_gradient, (tensor_type, q), (tensor_type, k), (tensor_type, v), (tensor_type, dy));
};
struct attention { constexpr auto operator()(auto const& in) const { return attend(in.q, in.k, in.v, with_mask(causal)); } };

struct attention_with_dropout { constexpr auto operator()(auto const& in) const { return attend(in.q, in.k, in.v, with_mask(causal), with_dropout(0.1)); } };

template <class Attention, long B, long H, long T, long D> void register_shape(std::string const& what) {
  using forward = bench::device_program<bench::forward_source<Attention, operands<shape<B, T, H, D>>>>;
  using both = bench::device_program<bench::gradient_source<Attention, operands_and_gradient<shape<B, T, H, D>>>>;
  static constexpr double pairs = static_cast<double>(B) * H * T * (T + 1) / 2.0;
  const std::string name = std::to_string(B) + "x" + std::to_string(H) + "x" + std::to_string(T) + "x" + std::to_string(D);
  benchmark::RegisterBenchmark((what + "/forward/" + name + forward::launches()).c_str(), [](benchmark::State& state) {
    forward p;
    bench::against_products(state, 4 * D * pairs, bench::timed(state, [&](cudaStream_t s) { p.run(s); }));
  })->UseManualTime()->Iterations(bench::repetitions)->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark((what + "/both/" + name + both::launches()).c_str(), [](benchmark::State& state) {
    both p;
    const double all = bench::timed(state, [&](cudaStream_t s) { p.run(s); });
    forward f;
    const double first = bench::the_timer().median_seconds(bench::repetitions, [&](cudaStream_t s) { f.run(s); });
    state.counters["backward_us"] = 1e6 * (all - first);
    state.counters["backward_TFLOP/s"] = 1e-12 * 10 * D * pairs / (all - first);
    bench::against_products(state, 14 * D * pairs, all);
  })->UseManualTime()->Iterations(bench::repetitions)->Unit(benchmark::kMicrosecond);
}

}  // namespace

int main(int argc, char** argv) {
  register_shape<attention, 4, 12, 1024, 64>("attend");
  register_shape<attention, 16, 12, 1024, 64>("attend");
  register_shape<attention_with_dropout, 4, 12, 1024, 64>("attend_dropout");
  register_shape<attention_with_dropout, 16, 12, 1024, 64>("attend_dropout");
  return bench::run_on_device(argc, argv);
}
