// Elementwise work and reductions as CUDA kernels.
#include "cuda/check.hpp"
#include "formwork/formwork.hpp"
#include "support/rows_functions.hpp"
#include "support/steep.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

struct entropy {
  constexpr auto operator()(auto const& m, auto const& in) const { return cross_entropy(m.a * 1.5, in.i); }
};
struct swapped {
  constexpr auto operator()(auto const& m, auto const& in) const { return mean<>(sin(transpose<1, 0>(m.a) * in.x) * transpose<1, 0>(m.a)); }
};
struct dropped {
  constexpr auto operator()(auto const& m, auto const& in) const { return mean<>(select(random_like(in.x) < 0.7, in.x * m.a, 0.0 * in.x)); }
};
struct softened {
  constexpr auto operator()(auto const& m, auto const& in) const { return softmax<-1>(in.x * m.a); }
};
struct largest {
  constexpr auto operator()(auto const& m, auto const& in) const { return mean<>(square(maximum<-1>(sin(in.x * m.a)))); }
};
struct slope {  // by less than a half in all
  constexpr auto operator()(auto const&, auto const& in) const {
    const auto x = 0.0001 * in.x + cast<dtype::f32>(index_along<-1>(in.x)) * 1e-6;
    return sum<-1>(exp(x - maximum<-1>(x)));
  }
};
template <class Y, class Z> struct weights_and_shares { BOOST_HANA_DEFINE_STRUCT(weights_and_shares, (Y, weight), (Z, share)); };
struct shares {
  constexpr auto operator()(auto const& m, auto const& in) const {
    const auto weight = exp(in.x * m.a);
    return results(weight, weight / sum<-1>(weight));
  }
  template <class Y, class Z> static constexpr auto results(Y y, Z z) { return weights_and_shares<Y, Z>{y, z}; }
};

template <class Kernel> struct shape_of;
template <long R, long C, int S, bool A, bool B, int Kept, dtype T, class Arguments, class Tape> struct shape_of<rows_kernel<R, C, S, A, B, Kept, T, Arguments, Tape>> {
  using type = typename gpu::kernel_plan<rows_kernel<R, C, S, A, B, Kept, T, Arguments, Tape>, gpu::options<>>::shape;
  static constexpr auto streamed = gpu::detail::streamed_tape<Tape>::value;
};
template <class Source> using first_kernel = shape_of<kernel_type<compiled<Source>, 0>>;

struct both {
  constexpr auto operator()(auto const& m, auto const& in) const { return log_sum_exp<0>(in.x * m.a) + sum<0>(in.x); }
};

}  // namespace

TEST_CASE("rows: layer norm and its gradients, columns that fit a vector and that do not") {
  check_on_emulator<norm_of<37, 64>>(f32_tolerance(200));
  check_on_emulator<norm_of<5, 300>>(f32_tolerance(200));
  check_on_emulator<norm_of<9, 33>>(f32_tolerance(200));
}
TEST_CASE("rows: softmax along rows of one warp, of several, and too long for registers") {
  check_on_emulator<gradients_of<soft, one<shape<1, 24>>, numbers<shape<11, 24>>>>(f32_tolerance(400));
  check_on_emulator<gradients_of<soft, one<shape<1, 1030>>, numbers<shape<3, 1030>>>>(f32_tolerance(1000));
  check_on_emulator<gradients_of<soft, one<shape<1, 20001>>, numbers<shape<3, 20001>>>>(f32_tolerance(4000));
}
TEST_CASE("rows: what is kept from one walk along a row to the next, and what is computed again") {
  using softmax_of = values_of<softened, one<shape<1, 20001>>, numbers<shape<3, 20001>>>;
  using largest_of = gradients_of<largest, one<shape<1, 20001>>, numbers<shape<3, 20001>>>;
  using shares_of = values_of<shares, one<shape<1, 20001>>, numbers<shape<3, 20001>>>;
  // Products, of which the maximum and then the difference are wanted, and exp, of which the sum and then the quotient are.
  STATIC_REQUIRE((first_kernel<softmax_of>::type::kept == 2 && first_kernel<softmax_of>::type::streams));
  STATIC_REQUIRE((!first_kernel<softmax_of>::streamed.keeps && first_kernel<softmax_of>::type::scratch_bytes == 0));
  check_on_emulator<softmax_of>(f32_tolerance(400));
  // The sum of exponentials is taken with the maximum, and from -infinity on.
  STATIC_REQUIRE((first_kernel<softmax_of>::type::stages == 3 && first_kernel<softmax_of>::type::walked_stages::size() == 2));
  using steep_of = values_of<steep<9000, 256>, one<shape<1, 20001>>, numbers<shape<3, 20001>>>;
  STATIC_REQUIRE((first_kernel<steep_of>::type::walked_stages::size() == 2));
  check_on_emulator<steep_of>(f32_tolerance(400));
  // A maximum that grows a little in every pass must not round the sum in every pass.
  using slope_of = values_of<slope, nothing, numbers<shape<33, 400000>>>;
  STATIC_REQUIRE((first_kernel<slope_of>::type::walked_stages::size() == 1 && !first_kernel<slope_of>::type::splits && first_kernel<slope_of>::type::schedule.passes > 40));
  check_step<slope_of, emulator::device<>>(1.5e-7);  // where it does, 3e-7
  // A sine that is compared with the largest one.
  STATIC_REQUIRE((first_kernel<largest_of>::type::kept == 1 && first_kernel<largest_of>::streamed.keeps && first_kernel<largest_of>::type::scratch_bytes > 0));
  check_on_emulator<largest_of>(f32_tolerance(200));
  // Written in the walk before.
  STATIC_REQUIRE((first_kernel<shares_of>::type::kept == 1 && first_kernel<shares_of>::streamed.keeps));
  check_on_emulator<shares_of>(f32_tolerance(4000));
}
TEST_CASE("rows: cross-entropy") {
  check_on_emulator<gradients_of<entropy, one<shape<7, 50>>, indices<shape<7>>>>(f32_tolerance(200), {.integer_limit = 50});
}
TEST_CASE("rows: transposed operands") {
  // The mean cancels: its terms are hundreds of times as large.
  check_on_emulator<gradients_of<swapped, one<shape<45, 18>>, numbers<shape<18, 45>>>>(f32_tolerance(400));
}
TEST_CASE("rows: random numbers are those of every backend") {
  check_on_emulator<gradients_of<dropped, one<shape<16>>, numbers<shape<12, 16>>>>(f32_tolerance(100));
  check_on_emulator<gradients_of<dropped, one<shape<7>>, numbers<shape<12, 7>>>>(f32_tolerance(100));
}
TEST_CASE("rows: reductions down columns alone") {
  check_on_emulator<values_of<both, one<shape<70>>, numbers<shape<531, 70>>>>(f32_tolerance(600));
}
