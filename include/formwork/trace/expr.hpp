// expr: an untyped handle on a node, in which derivatives and passes are written as formulas.
#pragma once

#include "../program/apply.hpp"
#include "../program/build.hpp"

namespace formwork {

struct expr {
  using recorded_as = expr;
  graph* g = nullptr;
  int id = -1;
};

namespace detail {

// An operand as a node: a number takes shape and type of the first handle.
constexpr int node_of(expr const& x, graph&, int) { return x.id; }
template <class Number> requires std::is_arithmetic_v<Number>
constexpr int node_of(Number x, graph& g, int like) {
  return build::constant_like(g, static_cast<double>(x), like);
}

// The condition of a select is boolean, so a number's shape and type come from the last handle.
template <class... Args> constexpr expr last_expr(Args const&... args) {
  expr r;
  ((void)([&] { if constexpr (std::is_same_v<Args, expr>) r = args; }()), ...);
  return r;
}

}  // namespace detail

template <class Op, class... Args> requires(std::is_same_v<Args, expr> || ...)
struct recorder<Op, Args...> {
  using result = expr;
  static constexpr expr record(Args const&... args) {
    expr like = detail::last_expr(args...);
    int x[] = {detail::node_of(args, *like.g, like.id)...};
    return {like.g, build::map(*like.g, op_of<Op>(), x, static_cast<int>(sizeof...(Args)))};
  }
};

}  // namespace formwork
