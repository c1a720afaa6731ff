// The functions of trace/ on tensors, views and their expressions, with the same names and meanings.
#pragma once

#include "../trace/attend.hpp"
#include "lazy.hpp"

namespace formwork {

namespace deferred {

template <int... Axis> struct sum { constexpr auto operator()(auto const& x) const { return formwork::sum<Axis...>(x); } };
template <int... Axis> struct maximum { constexpr auto operator()(auto const& x) const { return formwork::maximum<Axis...>(x); } };
template <int... Axis> struct minimum { constexpr auto operator()(auto const& x) const { return formwork::minimum<Axis...>(x); } };
template <int... Axis> struct mean { constexpr auto operator()(auto const& x) const { return formwork::mean<Axis...>(x); } };
template <int... Axis> struct variance { constexpr auto operator()(auto const& x) const { return formwork::variance<Axis...>(x); } };
template <int... Axis> struct log_sum_exp { constexpr auto operator()(auto const& x) const { return formwork::log_sum_exp<Axis...>(x); } };
template <int Axis> struct squeeze { constexpr auto operator()(auto const& x) const { return formwork::squeeze<Axis>(x); } };
template <int Axis> struct unsqueeze { constexpr auto operator()(auto const& x) const { return formwork::unsqueeze<Axis>(x); } };
template <long... Size> struct reshape { constexpr auto operator()(auto const& x) const { return formwork::reshape<Size...>(x); } };
template <long... Size> struct broadcast_to { constexpr auto operator()(auto const& x) const { return formwork::broadcast_to<Size...>(x); } };
template <int... Axis> struct transpose { constexpr auto operator()(auto const& x) const { return formwork::transpose<Axis...>(x); } };
template <int Axis, long First, long Size> struct slice { constexpr auto operator()(auto const& x) const { return formwork::slice<Axis, First, Size>(x); } };
template <int Axis> struct concatenate { constexpr auto operator()(auto const&... x) const { return formwork::concatenate<Axis>(x...); } };
template <dtype To> struct cast { constexpr auto operator()(auto const& x) const { return formwork::cast<To>(x); } };
struct matrix_transpose { constexpr auto operator()(auto const& x) const { return formwork::matrix_transpose(x); } };
struct matmul { constexpr auto operator()(auto const& a, auto const& b) const { return formwork::matmul(a, b); } };
struct gather { constexpr auto operator()(auto const& table, auto const& indices) const { return formwork::gather(table, indices); } };
struct pick { constexpr auto operator()(auto const& x, auto const& indices) const { return formwork::pick(x, indices); } };
template <class... Argument> struct attend {
  constexpr auto operator()(auto const& q, auto const& k, auto const& v) const { return formwork::attend(q, k, v, Argument{}...); }
};

}  // namespace deferred

template <int... Axis, eager X> constexpr auto sum(X const& x) { return defer(deferred::sum<Axis...>{}, x); }
template <int... Axis, eager X> constexpr auto maximum(X const& x) { return defer(deferred::maximum<Axis...>{}, x); }
template <int... Axis, eager X> constexpr auto minimum(X const& x) { return defer(deferred::minimum<Axis...>{}, x); }
template <int... Axis, eager X> constexpr auto mean(X const& x) { return defer(deferred::mean<Axis...>{}, x); }
template <int... Axis, eager X> constexpr auto variance(X const& x) { return defer(deferred::variance<Axis...>{}, x); }
template <int... Axis, eager X> constexpr auto log_sum_exp(X const& x) { return defer(deferred::log_sum_exp<Axis...>{}, x); }
template <int Axis, eager X> constexpr auto squeeze(X const& x) { return defer(deferred::squeeze<Axis>{}, x); }
template <int Axis, eager X> constexpr auto unsqueeze(X const& x) { return defer(deferred::unsqueeze<Axis>{}, x); }
template <long... Size, eager X> constexpr auto reshape(X const& x) { return defer(deferred::reshape<Size...>{}, x); }
template <long... Size, eager X> constexpr auto broadcast_to(X const& x) { return defer(deferred::broadcast_to<Size...>{}, x); }
template <int... Axis, eager X> constexpr auto transpose(X const& x) { return defer(deferred::transpose<Axis...>{}, x); }
template <int Axis, long First, long Size, eager X> constexpr auto slice(X const& x) { return defer(deferred::slice<Axis, First, Size>{}, x); }
template <int Axis, eager X, eager... Y> constexpr auto concatenate(X const& x, Y const&... y) { return defer(deferred::concatenate<Axis>{}, x, y...); }
template <dtype To, eager X> constexpr auto cast(X const& x) { return defer(deferred::cast<To>{}, x); }
template <eager X> constexpr auto matrix_transpose(X const& x) { return defer(deferred::matrix_transpose{}, x); }
template <eager A, eager B> constexpr auto matmul(A const& a, B const& b) { return defer(deferred::matmul{}, a, b); }
template <eager Table, eager Indices> constexpr auto gather(Table const& table, Indices const& indices) { return defer(deferred::gather{}, table, indices); }
template <eager X, eager Indices> constexpr auto pick(X const& x, Indices const& indices) { return defer(deferred::pick{}, x, indices); }

// Masks and scores that are built from others or hold a number have state; those go into assign(y, function, q, k, v).
template <eager Q, eager K, eager V, class... Argument>
constexpr auto attend(Q const& query, K const& key, V const& values, Argument const&...) {
  static_assert(((sizeof(Argument) == 1 && std::is_default_constructible_v<Argument>) && ...),
                "a mask or score with state cannot be part of an expression: write assign(y, [](auto q, auto k, auto v) { return attend(q, k, v, ...); }, q, k, v)");
  return defer(deferred::attend<Argument...>{}, query, key, values);
}

}  // namespace formwork
