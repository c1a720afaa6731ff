// Elements per second of the packs' elementary functions, beside a loop over std::. Arrays of 4096 floats (L1), and
// GELU over 4096 x 3072 floats, where memory is the limit: its bytes/s stand beside those of a copy.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "formwork/backend/cpu/simd_math.hpp"
#include "formwork/backend/cpu/simd_philox.hpp"
#include "measure.hpp"

namespace {

namespace cpu = formwork::cpu;
constexpr int width = cpu::native_width<float>;
using pack = cpu::pack<float, width>;
constexpr std::size_t small = 4096, large = std::size_t{4096} * 3072;

std::vector<float> inputs(std::size_t n, float low, float high) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = low + (high - low) * formwork::philox::uniform(1, 0, i);
  return x;
}

void report(benchmark::State& state, std::size_t n) {
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * n));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * n * 2 * sizeof(float)));
}

template <class F> void packs(benchmark::State& state, F f, std::size_t n, float low, float high) {
  const auto x = inputs(n, low, high);
  std::vector<float> y(n);
  for (auto _ : state) {
    for (std::size_t i = 0; i < n; i += width) f(pack::load(x.data() + i)).store(y.data() + i);
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
  report(state, n);
}
template <class F> void scalars(benchmark::State& state, F f, std::size_t n, float low, float high) {
  const auto x = inputs(n, low, high);
  std::vector<float> y(n);
  for (auto _ : state) {
    for (std::size_t i = 0; i < n; ++i) y[i] = f(x[i]);
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
  report(state, n);
}

// x sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3): 0.5 x (1 + tanh u) without its cancellation.
FORMWORK_INLINE pack gelu(pack x) { return x * sigmoid(x * fma(x * x, 2 * 0.797884561f * 0.044715f, 2 * 0.797884561f)); }
FORMWORK_INLINE pack gelu_of_tanh(pack x) { return x * 0.5f * (tanh(x * fma(x * x, 0.797884561f * 0.044715f, 0.797884561f)) + 1.0f); }
FORMWORK_INLINE pack gelu_of_erf(pack x) { return x * 0.5f * (erf(x * 0.707106781f) + 1.0f); }
float gelu_scalar(float x) { return 0.5f * x * (1 + std::tanh(0.797884561f * (x + 0.044715f * x * x * x))); }

template <class F, class G> void both(const std::string& name, F f, G g, float low, float high) {
  benchmark::RegisterBenchmark((name + "/pack").c_str(), [=](benchmark::State& s) { packs(s, f, small, low, high); });
  benchmark::RegisterBenchmark((name + "/std").c_str(), [=](benchmark::State& s) { scalars(s, g, small, low, high); });
}

}  // namespace

int main(int argc, char** argv) {
  both("exp", [](pack x) { return exp(x); }, [](float x) { return std::exp(x); }, -20, 0);
  both("exp_of_masked", [](pack x) { return exp(x); }, [](float x) { return std::exp(x); }, -1e30f, -100);
  both("expm1", [](pack x) { return expm1(x); }, [](float x) { return std::expm1(x); }, -5, 5);
  both("log", [](pack x) { return log(x); }, [](float x) { return std::log(x); }, 0, 10);
  both("log1p", [](pack x) { return log1p(x); }, [](float x) { return std::log1p(x); }, 0, 10);
  both("tanh", [](pack x) { return tanh(x); }, [](float x) { return std::tanh(x); }, -4, 4);
  both("sigmoid", [](pack x) { return sigmoid(x); }, [](float x) { return 1 / (1 + std::exp(-x)); }, -8, 8);
  both("erf", [](pack x) { return erf(x); }, [](float x) { return std::erf(x); }, -3, 3);
  both("sin", [](pack x) { return sin(x); }, [](float x) { return std::sin(x); }, -100, 100);
  both("cos", [](pack x) { return cos(x); }, [](float x) { return std::cos(x); }, -100, 100);
  both("rsqrt", [](pack x) { return rsqrt(x); }, [](float x) { return 1 / std::sqrt(x); }, 0, 10);
  both("pow", [](pack x) { return pow(x, 1.7f); }, [](float x) { return std::pow(x, 1.7f); }, 0, 10);
  both("gelu", [](pack x) { return gelu(x); }, gelu_scalar, -4, 4);
  both("gelu_of_tanh", [](pack x) { return gelu_of_tanh(x); }, gelu_scalar, -4, 4);
  both("gelu_of_erf", [](pack x) { return gelu_of_erf(x); }, [](float x) { return 0.5f * x * (1 + std::erf(x * 0.707106781f)); }, -4, 4);
  benchmark::RegisterBenchmark("gelu_4096x3072/pack", [](benchmark::State& s) { packs(s, [](pack x) { return gelu(x); }, large, -4, 4); });
  benchmark::RegisterBenchmark("gelu_4096x3072/copy", [](benchmark::State& s) { packs(s, [](pack x) { return x; }, large, -4, 4); });
  const auto random = [](auto generate) {
    return [generate](benchmark::State& s) {
      std::vector<float> y(small);
      for (auto _ : s) {
        for (std::size_t i = 0; i < small; i += width) generate(i).store(y.data() + i);
        benchmark::DoNotOptimize(y.data());
        benchmark::ClobberMemory();
      }
      s.SetItemsProcessed(static_cast<std::int64_t>(s.iterations() * small));
    };
  };
  benchmark::RegisterBenchmark("philox_uniform/pack", random([](std::uint64_t i) { return cpu::random_uniform<width>(1, 2, i); }));
  benchmark::RegisterBenchmark("philox_normal/pack", random([](std::uint64_t i) { return cpu::random_normal<width>(1, 2, i); }));
  benchmark::RegisterBenchmark("philox_uniform/scalar", random([](std::uint64_t i) {
    pack p(0.0f);
    for (int k = 0; k < width; ++k) p.v[k] = formwork::philox::uniform(1, 2, i + static_cast<std::uint64_t>(k));
    return p;
  }));
  return formwork::bench::run_benchmarks(argc, argv);
}
