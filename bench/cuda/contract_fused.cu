// Products of GPT-2 124M's MLP on 4 x 1024 tokens in bf16 with what follows them in the same kernel, and cuBLASLt's
// epilogues on the same memory right after: `to_peer` is cuBLASLt's median time over this library's. A benchmark whose
// results differ from cuBLASLt's beyond their rounding to bf16 is an error.
#include <algorithm>
#include <cmath>

#include "formwork/ops/gelu_tanh.hpp"
#include "formwork/ops/sigmoid.hpp"
#include "formwork/trace/contract.hpp"
#include "program.hpp"

#if defined(FORMWORK_HAS_CUBLAS)
#include "cublas_lt.hpp"
#endif

namespace {

using namespace formwork;

constexpr long tokens = 4096, narrow = 768, wide = 3072;
template <long... D> using in_bf16 = input<dtype::bf16, shape<D...>>;

// u = x W + b and gelu(u), both of which a training step keeps.
struct up_inputs {
  BOOST_HANA_DEFINE_STRUCT(up_inputs, (in_bf16<tokens, narrow>, x), (in_bf16<narrow, wide>, w), (in_bf16<wide>, b));
};
template <class U, class Y> struct up_results {
  BOOST_HANA_DEFINE_STRUCT(up_results, (Y, y), (U, u));
};
struct up {
  constexpr auto operator()(auto const& in) const {
    const auto u = matmul(in.x, in.w) + in.b;
    const auto y = gelu_tanh(u);
    return up_results<std::remove_const_t<decltype(u)>, std::remove_const_t<decltype(y)>>{y, u};
  }
};

// y = x W + b + r
struct down_inputs {
  BOOST_HANA_DEFINE_STRUCT(down_inputs, (in_bf16<tokens, wide>, x), (in_bf16<wide, narrow>, w), (in_bf16<narrow>, b), (in_bf16<tokens, narrow>, r));
};
struct down { constexpr auto operator()(auto const& in) const { return matmul(in.x, in.w) + in.b + in.r; } };

// The way back: dz = dy W' gelu'(z + b), and its column sums, b's gradient.
struct back_inputs {
  BOOST_HANA_DEFINE_STRUCT(back_inputs, (in_bf16<tokens, wide>, z), (in_bf16<wide>, b), (in_bf16<wide, narrow>, w), (in_bf16<tokens, narrow>, dy));
};
template <class Z, class B> struct back_results {
  BOOST_HANA_DEFINE_STRUCT(back_results, (Z, dz), (B, db));
};
struct back {
  // d/du of u s(u (c + d u^2)), s the sigmoid, c = 2 sqrt(2 / pi), d = 0.044715 c (Hendrycks & Gimpel 2016, section 2).
  static constexpr auto gelu_gradient(auto const& u) {
    constexpr double c = 1.5957691216057308, d = 0.044715 * c;
    const auto square = u * u;
    const auto s = sigmoid(u * (square * d + c));
    return s + u * s * (1.0 - s) * (square * (3 * d) + c);
  }
  constexpr auto operator()(auto const& in) const {
    const auto dz = matmul(in.dy, matrix_transpose(in.w)) * gelu_gradient(in.z + in.b);
    const auto db = sum<0>(dz);
    return back_results<std::remove_const_t<decltype(dz)>, std::remove_const_t<decltype(db)>>{dz, db};
  }
};
struct back_source : bench::forward_source<back, back_inputs> {
  static constexpr bool sums = true;
};

// What a peer needs of our program, and of its own results.
struct problem {
  long m, n, k;
  bool right;
  std::size_t results, other_results;  // bf16 numbers of our first and second result; 0: there is no second
};

std::vector<float> numbers_in(const std::byte* device, std::size_t count) {
  std::vector<std::uint16_t> bits(count);
  bench::check(cudaMemcpy(bits.data(), device, count * 2, cudaMemcpyDeviceToHost), "cudaMemcpy");
  std::vector<float> x(count);
  for (std::size_t i = 0; i < count; ++i) {
    bf16 b;
    b.bits = bits[i];
    x[i] = static_cast<float>(b);
  }
  return x;
}
// The largest difference over the largest number: a rounding to bf16 is 2^-9 of a number.
double difference(std::vector<float> const& ours, std::vector<float> const& theirs) {
  double error = 0, most = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    error = std::max(error, std::abs(static_cast<double>(ours[i]) - static_cast<double>(theirs[i])));
    most = std::max(most, std::abs(static_cast<double>(theirs[i])));
  }
  return most > 0 && std::isfinite(error) ? error / most : INFINITY;
}

#if defined(FORMWORK_HAS_CUBLAS)
// make(our program, memory for the first and the second result) gives the peer.
template <class Source, class Make> void register_fused(std::string const& name, problem const& of, Make make) {
  using program = bench::device_program<Source>;
  benchmark::RegisterBenchmark((name + program::launches()).c_str(), [of, make](benchmark::State& state) {
    const double flops = 2.0 * static_cast<double>(of.m) * static_cast<double>(of.n) * static_cast<double>(of.k);
    program p;
    const bench::device_memory first(of.results * 2), second(of.other_results * 2);
    const bench::cublaslt_product peer(of.m, of.n, of.k, of.right, make.epilogue, make(p, first.p, second.p));
    if (!peer.ready()) {
      state.SkipWithError("cuBLASLt has no kernel for this product and epilogue");
      return;
    }
    p.run(bench::the_timer().stream);
    peer(bench::the_timer().stream);
    bench::check(cudaStreamSynchronize(bench::the_timer().stream), "a product");
    // Sums of equal numbers in another order, rounded once or, where cuBLASLt reads what it has rounded, twice.
    double worst = difference(numbers_in(p.output(0), of.results), numbers_in(first.p, of.results));
    if (of.other_results > 0) worst = std::max(worst, difference(numbers_in(p.output(1), of.other_results), numbers_in(second.p, of.other_results)));
    state.counters["difference"] = worst;
    if (worst > 0x1p-6) {
      state.SkipWithError("the results differ from cuBLASLt's");
      return;
    }
    bench::timed_beside(state, flops, [&](cudaStream_t s) { p.run(s); }, peer);
  })->UseManualTime()->Iterations(bench::repetitions)->Unit(benchmark::kMicrosecond);
}

struct up_peer {
  static constexpr cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_GELU_AUX_BIAS;
  template <class P> auto operator()(P const& p, std::byte* y, std::byte* u) const {
    return bench::cublaslt_product::memory{.a = p.input(0), .b = p.input(1), .c = y, .bias = const_cast<std::byte*>(p.input(2)), .kept = u};
  }
};
struct down_peer {
  static constexpr cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
  template <class P> auto operator()(P const& p, std::byte* y, std::byte*) const {
    return bench::cublaslt_product::memory{.a = p.input(0), .b = p.input(1), .c = y, .added = p.input(3), .bias = const_cast<std::byte*>(p.input(2))};
  }
};
// Its z has had the bias added: here that of zeros, so that both read the same.
struct back_peer {
  static constexpr cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DGELU_BGRAD;
  template <class P> auto operator()(P const& p, std::byte* dz, std::byte* db) const {
    bench::check(cudaMemset(const_cast<std::byte*>(p.input(1)), 0, wide * 2), "cudaMemset");
    return bench::cublaslt_product::memory{.a = p.input(3), .b = p.input(2), .c = dz, .bias = db, .kept = const_cast<std::byte*>(p.input(0))};
  }
};
#else
template <class Source, class Make> void register_fused(std::string const& name, problem const& of, Make) {
  using program = bench::device_program<Source>;
  benchmark::RegisterBenchmark((name + program::launches()).c_str(), [of](benchmark::State& state) {
    program p;
    bench::against_products(state, 2.0 * static_cast<double>(of.m) * static_cast<double>(of.n) * static_cast<double>(of.k), bench::timed(state, [&](cudaStream_t s) { p.run(s); }));
  })->UseManualTime()->Iterations(bench::repetitions)->Unit(benchmark::kMicrosecond);
}
struct up_peer {};
struct down_peer {};
struct back_peer {};
#endif

}  // namespace

int main(int argc, char** argv) {
  constexpr auto big = static_cast<std::size_t>(tokens * wide), small = static_cast<std::size_t>(tokens * narrow);
  register_fused<bench::forward_source<up, up_inputs>>("contract_fused/bias_gelu_kept/4096x3072x768", {tokens, wide, narrow, false, big, big}, up_peer{});
  register_fused<bench::forward_source<down, down_inputs>>("contract_fused/bias_residual/4096x768x3072", {tokens, narrow, wide, false, small, 0}, down_peer{});
  register_fused<back_source>("contract_fused/gelu_gradient_bias_gradient/4096x3072x768", {tokens, wide, narrow, true, big, static_cast<std::size_t>(wide)}, back_peer{});
  return bench::run_on_device(argc, argv);
}
