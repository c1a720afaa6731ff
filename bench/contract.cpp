// The matrix product against oneDNN, which takes turns with it call by call (peer_GFLOP/s, to_peer), and OpenBLAS, on
// GPT-2's shapes. Counters: GFLOP/s, and the fraction of the multiply-add peak measured right before and after.
//   contract  [--benchmark_filter=...]   without a filter each family runs in a process of its own, because the
//                                        idle threads of OpenBLAS' own pool disturb everybody else's
#include <string>
#include <vector>

#include "formwork/backend/cpu/contract.hpp"
#include "formwork/backend/cpu/simd_math.hpp"
#include "timed.hpp"

#if defined(__unix__)
#include <sys/wait.h>
#include <unistd.h>
#endif
#if defined(FORMWORK_HAS_OPENBLAS)
#include <cblas.h>
#endif
#if defined(FORMWORK_HAS_DNNL)
#include <oneapi/dnnl/dnnl.hpp>
#endif

namespace {

using namespace formwork;
using bench::buffer;
using cpu::strided_operand;

// Which of the products of a linear layer Y[tokens, out] = X[tokens, in] W[in, out] it is:
//   forward  C = X W;  tied  C = X W^T with W[out, in];  input_gradient  C = dY W^T;  weight_gradient  C = X^T dY
enum class form { forward, tied, input_gradient, weight_gradient };

struct problem {
  int m, n, k;
  bool a_k_contiguous, b_k_contiguous;
};
constexpr problem problem_of(form f, int tokens, int in, int out) {
  switch (f) {
    case form::forward: return {tokens, out, in, true, false};
    case form::tied: return {tokens, out, in, true, true};
    case form::input_gradient: return {tokens, in, out, true, true};
    case form::weight_gradient: return {in, out, tokens, false, false};
  }
  return {};
}

inline constexpr int panel = kernels::contract_schedule_for(sizeof(float), 1, 1, 1).tile_columns;

template <bool KContiguous, int N, int K> strided_operand<float, KContiguous> plain_weights(float const* b) {
  return {.pointer = b, .stride = KContiguous ? K : N};
}
template <int M, int N, int K, bool AK, class B, class Epilogue> void product(float const* a, B const& b, Epilogue const& epilogue) {
  cpu::contract<float, 1, M, N, K>(strided_operand<float, AK>{.pointer = a, .stride = AK ? K : M}, b, epilogue);
}

#if defined(FORMWORK_HAS_DNNL)
class onednn_product {
  using memory = dnnl::memory;
  using tag = memory::format_tag;
  static constexpr auto f32 = memory::data_type::f32;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  mutable dnnl::stream stream{engine};
  dnnl::matmul matmul;
  memory x, w, y;

 public:
  onednn_product(problem p, bool packed, float* a, float* b, float* c) {
    const memory::desc from({p.m, p.k}, f32, p.a_k_contiguous ? tag::ab : tag::ba), to({p.m, p.n}, f32, tag::ab);
    const memory::desc plain({p.k, p.n}, f32, p.b_k_contiguous ? tag::ba : tag::ab);
    const memory::desc weights = packed ? memory::desc({p.k, p.n}, f32, tag::any) : plain;
    const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(from, weights, to), engine);
    matmul = dnnl::matmul(description);
    x = memory(from, engine, a);
    w = memory(plain, engine, b);
    y = memory(to, engine, c);
    if (packed) {
      memory given = w;
      w = memory(description.weights_desc(), engine);
      dnnl::reorder(given, w).execute(stream, given, w);
      stream.wait();
    }
  }
  void operator()() const {
    matmul.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, y}});
    stream.wait();
  }
};
#endif

template <form Form, int Tokens, int In, int Out> void register_shape(const char* layer) {
  static constexpr problem p = problem_of(Form, Tokens, In, Out);
  static constexpr double flops = 2.0 * p.m * p.n * p.k;
  const std::string name = std::string(layer) + '/' + std::to_string(p.m) + 'x' + std::to_string(p.k) + 'x' +
                           std::to_string(p.n);
  const auto add = [](std::string const& full, auto body) {
    benchmark::RegisterBenchmark(full.c_str(), [body](benchmark::State& state) {
      const buffer a(std::size_t(p.m) * p.k, 1), b(std::size_t(p.k) * p.n, 2), c(std::size_t(p.m) * p.n, 3);
      body(state, a.p, b.p, c.p);
    })->UseManualTime()->Unit(benchmark::kMillisecond);
  };
  const auto against_peer = [](benchmark::State& state, [[maybe_unused]] float* a, [[maybe_unused]] float* b, [[maybe_unused]] float* c, auto const& ours) {
#if defined(FORMWORK_HAS_DNNL)
    // Weights may be packed beforehand, untimed; the second operand of a weight gradient may not.
    bench::timed(state, flops, ours, onednn_product(p, Form != form::weight_gradient, a, b, c));
#else
    bench::timed(state, flops, ours);
#endif
  };
  add("contract/" + name, [against_peer](benchmark::State& state, float* a, float* b, float* c) {
    against_peer(state, a, b, c, [=] {
      product<p.m, p.n, p.k, p.a_k_contiguous>(a, plain_weights<p.b_k_contiguous, p.n, p.k>(b), cpu::store_result<float>{.pointer = c, .stride = p.n});
    });
  });
  if constexpr (Form != form::weight_gradient)
    add("contract_packed/" + name, [against_peer](benchmark::State& state, float* a, float* b, float* c) {
      const buffer panels(std::size_t(p.k) * ((p.n + panel - 1) / panel * panel));
      cpu::pack_panels<float, panel>(panels.p, b, p.b_k_contiguous ? 1 : p.n, p.b_k_contiguous ? p.k : 1, p.k, p.n);
      against_peer(state, a, b, c, [=, packed = panels.p] {
        product<p.m, p.n, p.k, p.a_k_contiguous>(a, cpu::panel_operand<float, panel>{.pointer = packed, .panel_stride = std::ptrdiff_t{p.k} * panel},
                                                 cpu::store_result<float>{.pointer = c, .stride = p.n});
      });
    });
#if defined(FORMWORK_HAS_OPENBLAS)
  add("openblas/" + name, [](benchmark::State& state, float* a, float* b, float* c) {
    openblas_set_num_threads(cpu::thread_count());
    bench::timed(state, flops, [=] {
      cblas_sgemm(CblasRowMajor, p.a_k_contiguous ? CblasNoTrans : CblasTrans,
                  p.b_k_contiguous ? CblasTrans : CblasNoTrans, p.m, p.n, p.k, 1.0f, a,
                  p.a_k_contiguous ? p.k : p.m, b, p.b_k_contiguous ? p.k : p.n, 0.0f, c, p.n);
    });
  });
#endif
}

using lanes = cpu::pack<float, cpu::native_width<float>>;

// y = gelu(sum + bias), tanh form; y = sum + bias + residual
struct bias_gelu {
  float *c, *bias;
  int stride;
  void operator()(std::ptrdiff_t, std::ptrdiff_t row, std::ptrdiff_t column, lanes sum, int count) const {
    const lanes x = sum + lanes::load(bias + column, count);
    const lanes inner = x * (lanes(0.7978845608f) + lanes(0.0356774081f) * x * x);
    (lanes(0.5f) * x * (lanes(1.0f) + cpu::tanh(inner))).store(c + row * stride + column, count);
  }
};
struct bias_residual {
  float *c, *bias, *residual;
  int stride;
  void operator()(std::ptrdiff_t, std::ptrdiff_t row, std::ptrdiff_t column, lanes sum, int count) const {
    const std::ptrdiff_t at = row * stride + column;
    (sum + lanes::load(bias + column, count) + lanes::load(residual + at, count)).store(c + at, count);
  }
};

// Plain and fused alternate within one loop, so that `fused_cost` compares like with like: 1 is no cost at all.
template <int Tokens, int In, int Out, class Make> void register_fused(std::string const& name, Make make) {
  benchmark::RegisterBenchmark(name.c_str(), [make](benchmark::State& state) {
    const std::size_t results = std::size_t{Tokens} * Out;
    const buffer a(std::size_t{Tokens} * In), b(std::size_t{In} * Out), c(results), residual(results), bias(Out);
    const auto epilogue = make(c.p, bias.p, residual.p);
    const cpu::store_result<float> plain{.pointer = c.p, .stride = Out};
    std::vector<double> ratios;
    const auto weights = plain_weights<false, Out, In>(b.p);
    product<Tokens, Out, In, true>(a.p, weights, plain);
    bench::median_of_loop(state, [&] {
      const double alone = bench::seconds_of([&] { product<Tokens, Out, In, true>(a.p, weights, plain); });
      const double fused = bench::seconds_of([&] { product<Tokens, Out, In, true>(a.p, weights, epilogue); });
      ratios.push_back(fused / alone);
      return fused;
    });
    state.counters["fused_cost"] = bench::median(ratios);
  })->UseManualTime()->Unit(benchmark::kMillisecond);
}

void register_all() {
  register_shape<form::forward, 256, 768, 2304>("qkv");
  register_shape<form::forward, 256, 768, 768>("projection");
  register_shape<form::forward, 256, 768, 3072>("up");
  register_shape<form::forward, 256, 3072, 768>("down");
  register_shape<form::tied, 256, 768, 50257>("head");
  register_shape<form::forward, 4096, 768, 3072>("up");
  register_shape<form::forward, 4096, 3072, 768>("down");
  register_shape<form::input_gradient, 256, 768, 3072>("up_input_gradient");
  register_shape<form::weight_gradient, 256, 768, 3072>("up_weight_gradient");
  register_shape<form::forward, 2048, 384, 1536>("small_up");
  register_shape<form::forward, 2048, 1536, 384>("small_down");
  register_shape<form::input_gradient, 2048, 384, 1536>("small_up_input_gradient");
  register_shape<form::weight_gradient, 2048, 384, 1536>("small_up_weight_gradient");
  register_fused<256, 768, 3072>("contract_fused/up_bias_gelu", [](float* c, float* bias, float*) {
    return bias_gelu{c, bias, 3072};
  });
  register_fused<256, 3072, 768>("contract_fused/down_bias_residual", [](float* c, float* bias, float* residual) {
    return bias_residual{c, bias, residual, 768};
  });
}

}  // namespace

int main(int argc, char** argv) {
  bool filtered = false;
  for (int i = 1; i < argc; ++i) filtered |= std::string(argv[i]).find("--benchmark_filter") == 0;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  register_all();
#if defined(__unix__) && defined(FORMWORK_HAS_OPENBLAS)
  if (!filtered) {
    for (const char* family : {"^contract", "^openblas"}) {
      const pid_t child = fork();
      if (child == 0) {
        benchmark::RunSpecifiedBenchmarks(std::string(family));
        return 0;
      }
      int status = 1;
      if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) return 1;
    }
    return 0;
  }
#endif
  benchmark::RunSpecifiedBenchmarks();
}
