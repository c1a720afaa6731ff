// Softmax and normalization layers, written with the operations that everybody has.
#pragma once

#include "../ops/exp.hpp"
#include "../ops/multiply.hpp"
#include "../ops/reciprocal.hpp"
#include "../ops/rsqrt.hpp"
#include "../ops/square.hpp"
#include "../ops/stop_gradient.hpp"
#include "../ops/subtract.hpp"
#include "../trace/module.hpp"
#include "../trace/reductions.hpp"

namespace formwork {

// exp(x) / sum(exp(x)) along an axis, safe for large |x|: moving x by its maximum changes neither value nor
// gradient.
template <int Axis = -1, typed_value X> constexpr auto softmax(X const& x) {
  if constexpr (axes_exist<call::softmax, typename value_of<X>::shape_type, Axis>) {
    auto e = exp(x - stop_gradient(maximum<Axis>(x)));
    return e * reciprocal(sum<Axis>(e));
  }
}

// log(softmax(x)) along an axis, without the loss of small probabilities.
template <int Axis = -1, typed_value X> constexpr auto log_softmax(X const& x) {
  if constexpr (axes_exist<call::log_softmax, typename value_of<X>::shape_type, Axis>)
    return x - log_sum_exp<Axis>(x);
}

// (x - mean) / sqrt(variance + epsilon) along an axis; the variance is the biased one, of centred values
// (Ba et al. 2016, eq. 3).
template <int Axis = -1, typed_value X> constexpr auto standardize(X const& x, double epsilon = 1e-5) {
  if constexpr (axes_exist<call::standardize, typename value_of<X>::shape_type, Axis>) {
    auto centred = x - mean<Axis>(x);
    return centred * rsqrt(mean<Axis>(square(centred)) + epsilon);
  }
}

// x / sqrt(mean(x^2) + epsilon) along an axis (Zhang & Sennrich 2019, eq. 4).
template <int Axis = -1, typed_value X> constexpr auto divide_by_rms(X const& x, double epsilon = 1e-5) {
  if constexpr (axes_exist<call::divide_by_rms, typename value_of<X>::shape_type, Axis>)
    return x * rsqrt(mean<Axis>(square(x)) + epsilon);
}

// What the normalizations add to a variance; a model's configuration has the same member.
struct norm_defaults {
  static constexpr double norm_epsilon = 1e-5;
};

// (..., Width) -> (..., Width).
template <long Width, class Policy = norm_defaults> struct layer_norm {
  using gain_type = parameter<shape<Width>, ones>;
  using bias_type = parameter<shape<Width>, zeros>;
  BOOST_HANA_DEFINE_STRUCT(layer_norm, (gain_type, gain), (bias_type, bias));

  template <typed_value X> constexpr auto operator()(X const& x) const {
    return standardize(x, Policy::norm_epsilon) * gain + bias;
  }
};

// (..., Width) -> (..., Width).
template <long Width, class Policy = norm_defaults> struct rms_norm {
  using gain_type = parameter<shape<Width>, ones>;
  BOOST_HANA_DEFINE_STRUCT(rms_norm, (gain_type, gain));

  template <typed_value X> constexpr auto operator()(X const& x) const {
    return divide_by_rms(x, Policy::norm_epsilon) * gain;
  }
};

}  // namespace formwork
