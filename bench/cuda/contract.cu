// Matrix products of GPT-2 124M on 4 x 1024 tokens in bf16, forward, by the input and by the weights, and cuBLAS on the
// same memory right after. `to_peer`: cuBLAS's median time over this library's; above 1 this library is faster.
#include "formwork/trace/contract.hpp"
#include "program.hpp"

namespace {

using namespace formwork;

template <class A, class B> struct operands {
  using a_t = input<dtype::bf16, A>;
  using b_t = input<dtype::bf16, B>;
  BOOST_HANA_DEFINE_STRUCT(operands, (a_t, a), (b_t, b));
};
template <bool Turn> constexpr auto turned(auto x) {
  if constexpr (Turn) return matrix_transpose(x);
  else return x;
}
template <bool Left, bool Right> struct product {
  constexpr auto operator()(auto const& in) const { return matmul(turned<Left>(in.a), turned<Right>(in.b)); }
};

// Left: A is stored [K, M]; right: B is stored [N, K].
template <long M, long N, long K, bool Left, bool Right> void register_product(std::string const& name) {
  using source = bench::forward_source<product<Left, Right>, operands<std::conditional_t<Left, shape<K, M>, shape<M, K>>, std::conditional_t<Right, shape<N, K>, shape<K, N>>>>;
  using program = bench::device_program<source>;
  const std::string shown = "contract/" + name + "/" + std::to_string(M) + "x" + std::to_string(N) + "x" + std::to_string(K) + program::launches();
  benchmark::RegisterBenchmark(shown.c_str(), [](benchmark::State& state) {
    constexpr double flops = 2.0 * M * N * K;
    program p;
#if defined(FORMWORK_HAS_CUBLAS)
    const bench::device_memory c(static_cast<std::size_t>(M * N) * 2);
    bench::timed_beside(state, flops, [&](cudaStream_t s) { p.run(s); }, [&](cudaStream_t s) { bench::the_cublas()(s, M, N, K, Left, Right, p.input(0), p.input(1), c.p); });
#else
    bench::against_products(state, flops, bench::timed(state, [&](cudaStream_t s) { p.run(s); }));
#endif
  })->UseManualTime()->Iterations(bench::repetitions)->Unit(benchmark::kMicrosecond);
}
template <long M, long In, long Out> void register_layer(std::string const& name) {
  register_product<M, Out, In, false, false>(name + "/forward");
  register_product<M, In, Out, false, true>(name + "/input_gradient");
  register_product<In, Out, M, true, false>(name + "/weight_gradient");
}

}  // namespace

int main(int argc, char** argv) {
  register_layer<4096, 768, 2304>("qkv");
  register_layer<4096, 768, 768>("projection");
  register_layer<4096, 768, 3072>("up");
  register_layer<4096, 3072, 768>("down");
  register_product<4096, 50257, 768, false, true>("head/forward");  // the embedding's rows
  register_product<4096, 4096, 4096, false, false>("square");
  return bench::run_on_device(argc, argv);
}
