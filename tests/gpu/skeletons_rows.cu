// Rows: norms and their gradients in f32, bf16 and f16, a softmax, an embedding with its gradient, random numbers, sines of
// angles of every size, and long rows that several blocks share, in f32 and f64.
#include "formwork/ops/cos.hpp"
#include "formwork/ops/less.hpp"
#include "formwork/ops/select.hpp"
#include "gpu/skeletons.cuh"
#include "support/products.hpp"
#include "support/rows_functions.hpp"

namespace formwork::testing {

namespace {
struct thinned {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto x = in.x * m.a;
    return mean<>(sin(select(random_like(x) < 0.7, x, 0.0 * x)));
  }
};
// Multiples by powers of two are exact, so that f64 has the same angles: from below one turn to 10^30.
struct angles {
  constexpr auto operator()(auto const&, auto const& in) const {
    auto small = 0x1p4 * in.x, middle = 0x1p22 * in.x, large = 0x1p104 * in.x;
    return concatenate<-1>(sin(small), sin(middle), sin(large), cos(small), cos(middle), cos(large));
  }
};
struct dot {
  constexpr auto operator()(auto const&, auto const& in) const { return sum<>(in.a * in.b); }
};
struct log_sum {
  constexpr auto operator()(auto const&, auto const& in) const { return log_sum_exp<-1>(in.a + in.b); }
};
template <class F, dtype T, class X> using of_two = values_of<F, nothing, two_inputs<T, X, X>>;
constexpr long more = 131077;  // by several blocks
}  // namespace

std::vector<checked_program> rows_skeletons() {
  return {checked<norm_of<37, 64>>("norm", f32_tolerance(200)),
          checked<norm_of<5, 300>>("norm of longer rows", f32_tolerance(200)),
          checked<lowered<norm_of<37, 64>, dtype::bf16>>("norm in bf16", 4 * 0x1p-8),
          checked<lowered<norm_of<9, 33>, dtype::f16>>("norm in f16, odd rows", 4 * 0x1p-11),
          checked<gradients_of<soft, one<shape<1, 1030>>, numbers<shape<3, 1030>>>>("softmax", f32_tolerance(1000)),
          checked<gradients_of<embedding_loss, one<shape<13, 40>>, indices<shape<600>>>>("embedding", f32_tolerance(600), {.integer_limit = 13}),
          checked<gradients_of<embedding_loss, one<shape<1500, 1>>, indices<shape<700>>>>("embedding, too large for a map", f32_tolerance(700), {.integer_limit = 50}),
          checked<gradients_of<thinned, one<shape<16>>, numbers<shape<12, 16>>>>("random numbers", f32_tolerance(100)),
          checked<values_of<angles, nothing, numbers<shape<3, 100>>>>("sines and cosines", f32_tolerance(2)),
          checked<of_two<dot, dtype::f32, shape<more>>>("a sum of many", f32_tolerance(200)),
          checked<of_two<dot, dtype::f64, shape<more>>>("a sum of many in f64", 3 * std::sqrt(static_cast<double>(more)) * 0x1p-53),
          checked<of_two<log_sum, dtype::f32, shape<3, more>>>("three long rows", f32_tolerance(200))};
}

}  // namespace formwork::testing
