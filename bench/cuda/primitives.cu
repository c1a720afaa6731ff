// What CUB and Thrust have too, and they on the same memory right after: a x + y, the sum of the squares of as many numbers as
// GPT-2 124M has, the sums of the rows of a bf16 matrix. `to_peer` is their median time over this library's. A benchmark
// whose results differ from theirs beyond rounding is an error.
#include <cub/device/device_reduce.cuh>
#include <cub/device/device_segmented_reduce.cuh>
#include <thrust/execution_policy.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/transform_iterator.h>
#include <thrust/transform.h>

#include <cmath>
#include <memory>

#include "../memory_ops.hpp"
#include "program.hpp"

// Arguments of CUB's and Thrust's kernels.
namespace primitives {

constexpr long matrix_rows = 49152, matrix_columns = 1024;
struct scale_and_add {
  __device__ float operator()(float x, float y) const { return x * 2.5f + y; }
};
struct widen {
  __device__ float operator()(std::uint16_t bits) const { return __uint_as_float(static_cast<unsigned>(bits) << 16); }
};
struct row_begin {
  __host__ __device__ int operator()(int row) const { return row * static_cast<int>(matrix_columns); }
};
struct square_of {
  __device__ float operator()(float x) const { return x * x; }
};
struct plus_of {
  __device__ float operator()(float a, float b) const { return a + b; }
};

}  // namespace primitives

namespace {

using namespace formwork;
using namespace primitives;

std::vector<float> numbers_at(const void* device, long count) {
  std::vector<float> x(static_cast<std::size_t>(count));
  bench::check(cudaMemcpy(x.data(), device, x.size() * sizeof(float), cudaMemcpyDeviceToHost), "cudaMemcpy");
  return x;
}

// `peer(stream, program, result)` computes Count numbers in f32, as the program does, each within `tolerance`.
template <class Source, long Count, class Peer> void beside(std::string const& name, double bytes, double tolerance, Peer const& peer) {
  using program = bench::device_program<Source>;
  benchmark::RegisterBenchmark((name + program::launches()).c_str(), [=](benchmark::State& state) {
    program p;
    const bench::device_memory theirs(Count * sizeof(float));
    const double seconds = bench::timed(state, [&](cudaStream_t s) { p.run(s); });
    auto run_peer = [&](cudaStream_t s) { peer(s, p, reinterpret_cast<float*>(theirs.p)); };
    const double peer_seconds = bench::the_timer().median_seconds(bench::repetitions, run_peer);
    bench::against_copying(state, bytes, seconds);
    state.counters["peer_GB/s"] = 1e-9 * bytes / peer_seconds;
    state.counters["to_peer"] = peer_seconds / seconds;
    const auto ours = numbers_at(p.output(0), Count), expected = numbers_at(theirs.p, Count);
    for (std::size_t i = 0; i < ours.size(); ++i)
      if (!(std::abs(ours[i] - expected[i]) <= tolerance)) {
        state.SkipWithError(("number " + std::to_string(i) + " is " + std::to_string(ours[i]) + ", the peer's " + std::to_string(expected[i])).c_str());
        return;
      }
  })->UseManualTime()->Iterations(bench::repetitions)->Unit(benchmark::kMicrosecond);
}

// Scratch of CUB's, which it asks for in a first call.
class scratch {
 public:
  template <class Call> void use(Call const& call) {
    if (!memory_) {
      bench::check(call(nullptr, bytes_), "CUB");
      memory_ = std::make_unique<bench::device_memory>(bytes_);
    }
    bench::check(call(memory_->p, bytes_), "CUB");
  }

 private:
  std::size_t bytes_ = 0;
  std::unique_ptr<bench::device_memory> memory_;
};

constexpr long vector_size = 64l * 1024 * 1024, numbers = 124439808;
using vector_type = input<dtype::f32, shape<vector_size>>;

struct two_vectors { BOOST_HANA_DEFINE_STRUCT(two_vectors, (vector_type, x), (vector_type, y)); };
struct scaled_and_added { constexpr auto operator()(auto const& in) const { return in.x * 2.5 + in.y; } };

struct row_sums_of { constexpr auto operator()(auto const& in) const { return sum<-1>(bench::wide(in.x)); } };
}  // namespace

int main(int argc, char** argv) {
  beside<bench::forward_source<scaled_and_added, two_vectors>, vector_size>("scale_and_add/67108864", 12.0 * vector_size, 1e-6, [](cudaStream_t s, auto const& p, float* result) {
    const auto* x = reinterpret_cast<const float*>(p.input(0));
    thrust::transform(thrust::cuda::par_nosync.on(s), x, x + vector_size, reinterpret_cast<const float*>(p.input(1)), result, scale_and_add{});
  });
  // Squares of numbers in (-1, 1): about numbers / 3, of which a sum in f32 keeps 24 bits.
  auto sums = std::make_shared<scratch>(), rows = std::make_shared<scratch>();
  beside<bench::forward_source<bench::square_sum_of, bench::rows<dtype::f32, shape<numbers>>>, 1>("square_sum/124439808", 4.0 * numbers, 1e-5 * numbers, [=](cudaStream_t s, auto const& p, float* result) {
    const auto* x = reinterpret_cast<const float*>(p.input(0));
    sums->use([&](void* memory, std::size_t& bytes) { return cub::DeviceReduce::TransformReduce(memory, bytes, x, result, static_cast<int>(numbers), plus_of{}, square_of{}, 0.f, s); });
  });
  beside<bench::forward_source<row_sums_of, bench::rows<dtype::bf16, shape<matrix_rows, matrix_columns>>>, matrix_rows>(
      "row_sums/49152x1024", 2.0 * matrix_rows * matrix_columns + 4.0 * matrix_rows, 1e-3, [=](cudaStream_t s, auto const& p, float* result) {
        auto x = thrust::make_transform_iterator(reinterpret_cast<const std::uint16_t*>(p.input(0)), widen{});
        auto begins = thrust::make_transform_iterator(thrust::make_counting_iterator(0), row_begin{});
        rows->use([&](void* memory, std::size_t& bytes) { return cub::DeviceSegmentedReduce::Sum(memory, bytes, x, result, static_cast<int>(matrix_rows), begins, begins + 1, s); });
      });
  return bench::run_on_device(argc, argv);
}
