// erf of packs. float: two minimax fits, both computed:
//   |x| < 0.96:  x + x P(x^2), P of degree 6, relative error 7e-10
//   else:        1 - exp(-g(|x|)), g = -log(erfc), of degree 7; 1 from 3.95 on
// double (for the oracle): lane by lane.
#pragma once

#include "simd_exp.hpp"

namespace formwork::cpu {

// At most 2 ulp.
template <int Width> FORMWORK_INLINE pack<float, Width> erf(pack<float, Width> x) {
  using p = pack<float, Width>;
  const p z = x * x, a = detail::at_most(3.95f, abs(x));
  const p near = detail::polynomial(z, 1.28379166e-1f, -3.76126319e-1f, 1.12836510e-1f, -2.68570278e-2f,
                                    5.19538345e-3f, -8.08107317e-4f, 8.11940336e-5f);
  const p g = detail::polynomial(a, 4.39189025e-5f, 1.12854540f, 6.35132074e-1f, 1.06514707e-1f, -2.41084229e-2f,
                                 3.83613282e-3f, -3.75048519e-4f, 1.67393919e-5f);
  const p far = p(1.0f) - detail::exp_limited<false, false>(-g);
  return select(a < p(0.96f), fma(x, near, x), detail::with_sign(far, x));
}
template <int Width> FORMWORK_INLINE pack<double, Width> erf(pack<double, Width> x) {
  return detail::each(x, [](double a) { return math::erf(a); });
}

}  // namespace formwork::cpu
