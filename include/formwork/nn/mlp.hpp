// The feed-forward halves of a block: (..., Width) -> (..., Width).
#pragma once

#include "../ops/gelu_tanh.hpp"
#include "../ops/multiply.hpp"
#include "../ops/silu.hpp"
#include "linear.hpp"

namespace formwork {

// down(f(up(x))), f an operation.
template <long Width, long Hidden, class Activation = ops::gelu_tanh, class Bias = with_bias,
          class Residual = normal_02>
struct mlp {
  using up_type = linear<Width, Hidden, Bias>;
  using down_type = linear<Hidden, Width, Bias, Residual>;
  BOOST_HANA_DEFINE_STRUCT(mlp, (up_type, up), (down_type, down));

  template <typed_value X> constexpr auto operator()(X const& x) const {
    return down(apply<Activation>(up(x)));
  }
};

// down(f(gate(x)) up(x)); with f = silu it is SwiGLU (Shazeer 2020, eq. 6).
template <long Width, long Hidden, class Activation = ops::silu, class Bias = without_bias,
          class Residual = normal_02>
struct gated_mlp {
  using in_type = linear<Width, Hidden, Bias>;
  using down_type = linear<Hidden, Width, Bias, Residual>;
  BOOST_HANA_DEFINE_STRUCT(gated_mlp, (in_type, gate), (in_type, up), (down_type, down));

  template <typed_value X> constexpr auto operator()(X const& x) const {
    return down(apply<Activation>(gate(x)) * up(x));
  }
};

}  // namespace formwork
