// An op's derivative formula, from the way it is written (on expressions) to the way the differentiation calls it.
#pragma once

#include "expr.hpp"

namespace formwork::detail {

template <class Op, class... X> constexpr auto derivative_of(X... x_y_dy) {
  if constexpr (requires { Op::derivative(x_y_dy...); }) return Op::derivative(x_y_dy...);
  else return no_gradient{};
}

constexpr int id_of(expr const& x) { return x.id; }
constexpr int id_of(no_gradient) { return -1; }

template <class Op>
constexpr void op_derivative<Op>::apply(graph& g, const int* x, int y, int dy, int* dx) {
  constexpr int n = arity_of<Op>();
  auto store = [&](auto const& d) {
    using D = std::remove_cvref_t<decltype(d)>;
    if constexpr (std::is_same_v<D, no_gradient>) {
      for (int i = 0; i < n; ++i) dx[i] = -1;
    } else if constexpr (std::is_same_v<D, expr>) {
      dx[0] = d.id;
    } else {
      [&]<std::size_t... I>(std::index_sequence<I...>) {
        ((dx[I] = id_of(std::get<I>(d))), ...);
      }(std::make_index_sequence<static_cast<std::size_t>(n)>{});
    }
  };
  auto at = [&](int i) { return expr{&g, x[i]}; };
  expr Y{&g, y}, D{&g, dy};
  if constexpr (n == 1) store(derivative_of<Op>(at(0), Y, D));
  else if constexpr (n == 2) store(derivative_of<Op>(at(0), at(1), Y, D));
  else if constexpr (n == 3) store(derivative_of<Op>(at(0), at(1), at(2), Y, D));
  else store(derivative_of<Op>(at(0), at(1), at(2), at(3), Y, D));
}

}  // namespace formwork::detail
