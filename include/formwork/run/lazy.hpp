// Lazy expressions: what operations on tensors and views give. An expression is a type, a tree of functions over
// leaves; nothing is computed before assign() (run/assign.hpp) has it traced and compiled.
//
// A leaf that stands twice in an expression is read twice, since its type does not say whose memory it is; defer(f, x...)
// and assign(y, f, x...) name each operand once.
#pragma once

#include <tuple>

#include "../tensor/tensor.hpp"
#include "../trace/contract.hpp"
#include "../trace/generators.hpp"

namespace formwork {

// Tensors, views and expressions of them.
template <class T> concept eager = traced<T> && std::is_same_v<typename T::recorded_as, in_memory>;

template <class Function, class... Operand> struct lazy;

namespace detail {

// A number of the program that assigns; it is read when assign() runs.
template <dtype Type> struct number_operand { element_t<Type> x; };

// The typed value that stands for an operand while it is traced.
template <class T> struct traced_operand;
template <class T, class Shape, class Strides> struct traced_operand<view<T, Shape, Strides>> { using type = value<view<T, Shape, Strides>::type, Shape>; };
template <dtype Type> struct traced_operand<number_operand<Type>> { using type = value<Type, shape<>>; };
template <class F, class... X> struct traced_operand<lazy<F, X...>> { using type = typename lazy<F, X...>::value_type; };

// How an operand is kept in an expression: tensors as views, and everything read-only.
template <dtype Number, class T> constexpr auto kept(T const& x) {
  if constexpr (std::is_arithmetic_v<T>) return number_operand<Number>{static_cast<element_t<Number>>(x)};
  else if constexpr (requires { x.as_view(); }) return x.as_view();
  else if constexpr (requires { x.data(); }) return view<const typename T::value_type, typename T::shape_type, typename T::strides_type>(x.data());
  else return x;
}
template <dtype Number, class T> using kept_t = decltype(kept<Number>(std::declval<T const&>()));

template <class T> constexpr dtype type_of_operand() {
  if constexpr (eager<T>) return traced_operand<kept_t<dtype::f32, T>>::type::type;
  else return dtype::f32;
}
// Numbers take the element type of the tensors beside them; a select's condition does not count.
template <bool SkipFirst, class... X> constexpr dtype type_of_numbers() {
  dtype found = dtype::f32;
  bool skip = SkipFirst, seen = false;
  auto look = [&]<class T>(T const*) {
    if (!skip && !seen && eager<T>) {
      found = type_of_operand<T>();
      seen = true;
    }
    skip = false;
  };
  (look(static_cast<X const*>(nullptr)), ...);
  return found;
}

template <class Op> struct apply_op {
  constexpr auto operator()(auto const&... x) const { return formwork::apply<Op>(x...); }
};

}  // namespace detail

// Function: a class without state; it is called with typed values, in order, when the expression is traced.
template <class Function, class... Operand> struct lazy {
  using recorded_as = in_memory;
  using value_type = decltype(Function{}(std::declval<typename detail::traced_operand<Operand>::type const&>()...));

  std::tuple<Operand...> operands;
};

template <class Op, class... X> requires(eager<X> || ...)
struct recorder<Op, X...> {
  static constexpr dtype number = detail::type_of_numbers<requires { Op::condition; }, X...>();
  using result = lazy<detail::apply_op<Op>, detail::kept_t<number, X>...>;
  static constexpr result record(X const&... x) { return {{detail::kept<number>(x)...}}; }
};

// A call of any function of typed values as an expression: defer([](auto x) { return x * sigmoid(x); }, a).
template <class Function, class... X> requires((eager<X> || ...) && ((eager<X> || std::is_arithmetic_v<X>) && ...))
constexpr auto defer(Function, X const&... x) {
  static_assert(std::is_empty_v<Function> && std::is_default_constructible_v<Function>,
                "a function of an expression may hold no state: pass what it captures as operands");
  constexpr dtype number = detail::type_of_numbers<false, X...>();
  return lazy<Function, detail::kept_t<number, X>...>{{detail::kept<number>(x)...}};
}

}  // namespace formwork
