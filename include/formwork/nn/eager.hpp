// Softmax, normalizations and losses on tensors, views and their expressions.
#pragma once

#include "../run/lazy_functions.hpp"
#include "loss.hpp"
#include "normalization.hpp"

namespace formwork {

namespace deferred {

template <int Axis> struct softmax { constexpr auto operator()(auto const& x) const { return formwork::softmax<Axis>(x); } };
template <int Axis> struct log_softmax { constexpr auto operator()(auto const& x) const { return formwork::log_softmax<Axis>(x); } };
template <int Axis> struct standardize { constexpr auto operator()(auto const& x) const { return formwork::standardize<Axis>(x); } };
template <int Axis> struct divide_by_rms { constexpr auto operator()(auto const& x) const { return formwork::divide_by_rms<Axis>(x); } };
struct cross_entropy { constexpr auto operator()(auto const& logits, auto const& targets) const { return formwork::cross_entropy(logits, targets); } };

}  // namespace deferred

template <int Axis = -1, eager X> constexpr auto softmax(X const& x) { return defer(deferred::softmax<Axis>{}, x); }
template <int Axis = -1, eager X> constexpr auto log_softmax(X const& x) { return defer(deferred::log_softmax<Axis>{}, x); }
// With the usual epsilon of 1e-5; another one goes into assign(y, [](auto x) { return standardize(x, 1e-6); }, x).
template <int Axis = -1, eager X> constexpr auto standardize(X const& x) { return defer(deferred::standardize<Axis>{}, x); }
template <int Axis = -1, eager X> constexpr auto divide_by_rms(X const& x) { return defer(deferred::divide_by_rms<Axis>{}, x); }
template <eager Logits, eager Targets> constexpr auto cross_entropy(Logits const& logits, Targets const& targets) {
  return defer(deferred::cross_entropy{}, logits, targets);
}

}  // namespace formwork
