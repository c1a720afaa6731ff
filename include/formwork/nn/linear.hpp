// linear<In, Out>: y = x W + b, (..., In) -> (..., Out); W is (In, Out).
#pragma once

#include "../ops/add.hpp"
#include "../trace/contract.hpp"
#include "../trace/module.hpp"

namespace formwork {

struct with_bias {};
struct without_bias {};

template <long In, long Out, class Bias = with_bias, class Initial = normal_02> struct linear {
  using weight_type = parameter<shape<In, Out>, Initial>;
  using bias_type = parameter<shape<Out>, zeros>;
  BOOST_HANA_DEFINE_STRUCT(linear, (weight_type, weight), (bias_type, bias));

  template <typed_value X> constexpr auto operator()(X const& x) const { return matmul(x, weight) + bias; }
};

template <long In, long Out, class Initial> struct linear<In, Out, without_bias, Initial> {
  using weight_type = parameter<shape<In, Out>, Initial>;
  BOOST_HANA_DEFINE_STRUCT(linear, (weight_type, weight));

  template <typed_value X> constexpr auto operator()(X const& x) const { return matmul(x, weight); }
};

}  // namespace formwork
