// Views of coordinates and of random numbers: a slice names the elements behind its beginning, on the CPU as on a GPU.
#include <algorithm>

#include "cuda/check.hpp"
#include "formwork/formwork.hpp"
#include "support/aligned.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

template <int Axis, long First, long Size> struct noise_slice {
  constexpr auto operator()(auto const& m, auto const& in) const {
    return slice<Axis, First, Size>(random_like(in.x)) + sin(slice<Axis, First, Size>(in.x * m.a));
  }
};
template <int Axis, int Along, long First, long Size> struct index_slice {
  constexpr auto operator()(auto const& m, auto const& in) const {
    return cast<dtype::f32>(slice<Axis, First, Size>(index_along<Along>(in.x))) + sin(slice<Axis, First, Size>(in.x * m.a));
  }
};
// One coordinate, and one random number, for each row.
struct row_numbers {
  constexpr auto operator()(auto const& m, auto const& in) const {
    const auto column = slice<-1, 3, 1>(random_like(in.x)) + cast<dtype::f32>(slice<-1, 3, 1>(index_along<0>(in.x)));
    return slice<0, 5, 7>(column) + slice<0, 5, 7>(in.x * m.a);
  }
};
struct parts_of_noise {
  constexpr auto operator()(auto const& m, auto const& in) const {
    const auto noise = split<-1, 2>(random_like(in.x));
    const auto x = split<-1, 2>(in.x * m.a);
    return mean<>(select(noise[0] < 0.5, x[0], 0.0 * x[0]) * select(noise[1] < 0.5, sin(x[1]), x[1]));
  }
};
// Behind a product, and, with prologues, in front of it.
struct product_of_noise {
  constexpr auto operator()(auto const& m, auto const& in) const {
    const auto noise = slice<-1, 4, 8>(random_like(in.x));
    return matmul(in.x + cast<dtype::f32>(slice<0, 1, 12>(index_along<0>(concatenate<0>(in.x, in.x)))), m.a) * slice<-1, 1, 7>(noise);
  }
};

template <class Source> void check_everywhere() {
  check_step<Source>(f32_tolerance(200));
  check_on_emulator<Source, gpu::options<gpu::f32_products::exact>>(f32_tolerance(200));
}
using inputs = numbers<shape<12, 16>>;
template <class Function> void check_function() { check_everywhere<values_of<Function, one<shape<16>>, inputs>>(); }

// Coordinates among more elements than an i32 counts.
struct far {
  static constexpr long first_row = 65524, first_column = 50241;
  constexpr auto operator()(auto const& m, auto const& in) const {
    using indices = value<dtype::i32, shape<65536, 50257>>;
    graph& g = *in.x.g;
    const auto here = [](indices const& v) { return cast<dtype::f32>(slice<1, first_column, 16>(slice<0, first_row, 12>(v))); };
    const auto row = here({&g, build::index(g, 0, indices::shape)}) - static_cast<double>(first_row), column = here({&g, build::index(g, 1, indices::shape)}) - static_cast<double>(first_column);
    return row * 16.0 + column + in.x * m.a;
  }
};
template <class Device> void check_far() {
  using run = step<compiled<values_of<far, one<shape<16>>, inputs>>, Device>;
  auto workspace = aligned_array<std::byte>(run::workspace_bytes);
  auto a = aligned_array<float>(16), x = aligned_array<float>(192), y = aligned_array<float>(192);
  std::fill_n(a.get(), 16, 0.f);
  std::fill_n(x.get(), 192, 0.f);
  void *in[] = {x.get()}, *out[] = {y.get()};
  run::run({.workspace = workspace.get(), .parameters = reinterpret_cast<std::byte*>(a.get()), .inputs = in, .outputs = out});
  for (long r = 0; r < 12; ++r)
    for (long c = 0; c < 16; ++c) {
      CAPTURE(r, c);
      CHECK(y[static_cast<std::size_t>(16 * r + c)] == static_cast<float>(16 * r + c));
    }
}

}  // namespace

TEST_CASE("generators: slices of random numbers") {
  check_function<noise_slice<-1, 1, 14>>();
  check_function<noise_slice<-1, 4, 8>>();
  check_function<noise_slice<0, 3, 9>>();
  check_function<noise_slice<0, 0, 7>>();
  check_everywhere<gradients_of<parts_of_noise, one<shape<16>>, inputs>>();
}
TEST_CASE("generators: slices of coordinates") {
  check_function<index_slice<-1, -1, 1, 14>>();
  check_function<index_slice<-1, -1, 15, 1>>();
  check_function<index_slice<-1, 0, 3, 13>>();
  check_function<index_slice<0, 0, 5, 7>>();
  check_function<index_slice<0, -1, 11, 1>>();
  check_function<row_numbers>();
}
TEST_CASE("generators: slices of them around a product") {
  using product = values_of<product_of_noise, one<shape<16, 7>>, inputs>;
  check_everywhere<product>();
  check_everywhere<with_prologues<product>>();
}
TEST_CASE("generators: coordinates of very many elements") {
  check_far<cpu_device>();
  check_far<emulator::device<>>();
}
