// value<dtype, shape<...>>: a typed handle on a node of the program that is being traced. Shapes and element types
// are checked by the type system; what is recorded is plain data.
#pragma once

#include "../shape/shape.hpp"
#include "derivative.hpp"
#include "errors.hpp"

namespace formwork {

template <dtype Type, class Shape> struct value {
  using recorded_as = value;
  using shape_type = Shape;
  static constexpr dtype type = Type;
  static constexpr int rank = Shape::rank;
  static constexpr dims shape = Shape::value;

  graph* g = nullptr;
  int id = -1;

  // One element, inside the score or mask of an attention: bias(at.head, at.query - at.key). Indices outside the
  // table read its nearest element.
  template <class... Index> constexpr auto operator()(Index const&... index) const {
    if constexpr (require<sizeof...(Index) == Shape::rank, error::needs_one_index_per_axis<call::lookup, Shape, error::indices<sizeof...(Index)>>>) {
      const int at[] = {index.id..., 0};
      return value<Type, formwork::shape<>>{g, build::lookup(*g, id, at, g->scope)};
    }
  }
};

// A traced handle with a compile-time shape: value and what derives from it (parameters, inputs).
template <class T> concept typed_value = traced<T> && requires { typename T::recorded_as::shape_type; };

template <class T> using value_of = typename T::recorded_as;

namespace detail {

// Any number of shapes broadcast against each other; rank -1 where they do not fit.
template <class... Shape> struct broadcast_shape {
  static constexpr dims fold() {
    dims r;
    ((r = r.rank < 0 ? r : formwork::broadcast(r, Shape::value)), ...);
    return r;
  }
  static constexpr dims value = fold();
  static constexpr bool fits = value.rank >= 0;
};

template <class Arg> struct shape_of_argument { using type = shape<>; };
template <class Arg> requires typed_value<Arg> struct shape_of_argument<Arg> {
  using type = typename value_of<Arg>::shape_type;
};

// The element type of the typed operands; a select's condition does not count.
template <class Op, class... Args> constexpr bool types_agree() {
  bool first = is_condition_op<Op>, agree = true, seen = false;
  dtype t{};
  auto look = [&]<class A>(A const*) {
    if (first) { first = false; return; }
    if constexpr (typed_value<A>) {
      if (seen && t != value_of<A>::type) agree = false;
      t = value_of<A>::type;
      seen = true;
    }
  };
  (look(static_cast<Args const*>(nullptr)), ...);
  return agree;
}
template <class Op, class... Args> constexpr dtype operand_type() {
  bool first = is_condition_op<Op>;
  dtype t = dtype::f32;
  auto look = [&]<class A>(A const*) {
    if (first) { first = false; return; }
    if constexpr (typed_value<A>) t = value_of<A>::type;
  };
  (look(static_cast<Args const*>(nullptr)), ...);
  return t;
}

template <class... Args> constexpr graph& graph_of(Args const&... args) {
  graph* g = nullptr;
  auto look = [&](auto const& a) {
    if constexpr (requires { a.g; }) g = a.g;
  };
  (look(args), ...);
  return *g;
}

template <class Arg> constexpr int broadcast_operand(Arg const& x, graph& g, dtype type, dims const& to) {
  if constexpr (typed_value<Arg>) return build::broadcast(g, x.id, to);
  else return build::broadcast(g, build::constant(g, static_cast<double>(x), type), to);
}

}  // namespace detail

template <class Op, class... Args> requires(typed_value<Args> || ...)
struct recorder<Op, Args...> {
  using target = detail::broadcast_shape<typename detail::shape_of_argument<Args>::type...>;
  static_assert(require<sizeof...(Args) == arity_of<Op>(), error::wrong_number_of_operands<Op, error::operands<sizeof...(Args)>, error::operands<arity_of<Op>()>>>);
  static_assert(require<target::fits,
                                error::shapes_do_not_match<Op, typename detail::shape_of_argument<Args>::type...>>);
  static_assert(require<detail::types_agree<Op, Args...>(), error::element_types_do_not_match<Op, Args...>>);
  static constexpr dtype operand = detail::operand_type<Op, Args...>();
  static constexpr dtype type = requires { Op::result; } ? result_of<Op>() : operand;
  using result = value<type, shape_from<target>>;

  static constexpr result record(Args const&... args) {
    graph& g = detail::graph_of(args...);
    int x[] = {detail::broadcast_operand(args, g, operand, target::value)...};
    return {&g, build::map(g, op_of<Op>(), x, static_cast<int>(sizeof...(Args)))};
  }
};

}  // namespace formwork
