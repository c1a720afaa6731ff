// The two checks that every elementwise operation gets, in a line each:
//   check_value<ops::silu>(reference, {.low = -8, .high = 8});   the formula in float and double against a reference
//   check_op<ops::silu>({.low = -8, .high = 8});                 the derivative against finite differences
// Both also require that they would have rejected zeros, results that are 1% off, and neighbours exchanged.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <vector>

#include "formwork/ops/multiply.hpp"
#include "formwork/trace/derivative.hpp"
#include "support/catch.hpp"

namespace formwork::testing {

struct interval { double low, high; };

// Where operands are drawn from; operands after the first take the first's interval unless given their own.
// Errors are allowed up to epsilon (relative |result| + absolute), epsilon being the precision of the type.
struct op_range {
  double low = -4, high = 4;
  interval second{low, high}, third{low, high};
  int points = 200;
  double relative = 2;
  double absolute = 0;

  double low_of(int operand) const { return operand == 0 ? low : operand == 1 ? second.low : third.low; }
  double high_of(int operand) const { return operand == 0 ? high : operand == 1 ? second.high : third.high; }
};

// Evenly spread points that meet no round number: additive recurrences with irrational steps (Roberts 2018).
template <int Arity> std::vector<std::array<double, Arity>> sample(op_range const& range, bool condition = false) {
  constexpr double step[] = {0.6180339887498949, 0.7548776662466927, 0.5698402909980532};
  std::vector<std::array<double, Arity>> points(static_cast<std::size_t>(range.points));
  for (int k = 0; k < range.points; ++k)
    for (int i = 0; i < Arity; ++i) {
      double t = std::fmod(0.5 + 1e-3 * std::numbers::pi + step[i] * k, 1.0);
      double x = range.low_of(i) + t * (range.high_of(i) - range.low_of(i));
      points[static_cast<std::size_t>(k)][static_cast<std::size_t>(i)] = condition && i == 0 ? k % 2 : x;
    }
  return points;
}

// One result, the value that it should be, and by how much it may differ.
struct comparison {
  double result, expected, tolerance;
  bool good() const { return std::abs(result - expected) <= tolerance; }
};
using comparisons = std::vector<comparison>;

inline bool all_good(comparisons const& list) {
  for (auto const& c : list)
    if (!c.good()) return false;
  return true;
}

inline comparisons scaled(comparisons list, double factor) {
  for (auto& c : list) c.result *= factor;
  return list;
}
inline comparisons exchanged(comparisons list) {
  for (std::size_t i = 0; i + 1 < list.size(); i += 2) std::swap(list[i].result, list[i + 1].result);
  return list;
}

// Passes if every comparison is good and a wrong result would not have been. A list of equal results, such as the
// derivative of x + y, has no neighbours to exchange.
inline void require_with_teeth(comparisons const& list) {
  REQUIRE(!list.empty());
  for (auto const& c : list)
    if (!c.good()) {
      CAPTURE(c.result, c.expected, c.tolerance);
      FAIL_CHECK("the result is out of tolerance");
      return;
    }
  CHECK_FALSE(all_good(scaled(list, 0)));
  CHECK_FALSE(all_good(scaled(list, 1.01)));
  CHECK_FALSE(all_good(scaled(list, 0.99)));
  bool equal = true;
  for (auto const& c : list) equal = equal && c.expected == list.front().expected;
  if (!equal) CHECK_FALSE(all_good(exchanged(list)));
}

// ---- values ----

template <class Op, class T, class Reference>
comparisons compare_value(Reference const& reference, op_range const& range) {
  constexpr int n = op_of<Op>()->arity;
  comparisons list;
  for (auto const& point : sample<n>(range, formwork::is_condition_op<Op>))
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      std::array<T, n> x{static_cast<T>(point[I])...};
      double result;
      if constexpr (formwork::is_condition_op<Op>) result = Op::value(x[0] != 0, x[1], x[2]);
      else result = Op::value(x[I]...);
      auto expected = static_cast<double>(reference(static_cast<long double>(x[I])...));
      double unit = std::numeric_limits<T>::epsilon();
      list.push_back({result, expected, unit * (range.relative * std::abs(expected) + range.absolute)});
    }(std::make_index_sequence<static_cast<std::size_t>(n)>{});
  return list;
}

template <class Op, class Reference> void check_value(Reference const& reference, op_range const& range) {
  CAPTURE(Op::name);
  require_with_teeth(compare_value<Op, float>(reference, range));
  require_with_teeth(compare_value<Op, double>(reference, range));
}

// ---- derivatives ----

// A program of scalars, evaluated node by node in f64 with the operations' own formulas.
inline std::vector<double> evaluate(graph const& g, std::vector<double> const& inputs) {
  std::vector<double> value(g.nodes.size());
  std::size_t next_input = 0;
  for (int i = 0; i < g.size(); ++i) {
    node const& n = g[i];
    double x[max_operands]{};
    for (int k = 0; k < n.inputs; ++k) x[k] = value[static_cast<std::size_t>(n.in[static_cast<std::size_t>(k)])];
    double& y = value[static_cast<std::size_t>(i)];
    REQUIRE(n.shape.rank == 0);
    switch (n.what) {
      case kind::input: y = inputs.at(next_input++); break;
      case kind::constant: y = n.number; break;
      case kind::broadcast: y = x[0]; break;
      case kind::map: y = n.op->evaluate(x); break;
      default: FAIL("an operation's derivative may only use elementwise operations, not " << name_of(n.what));
    }
  }
  return value;
}

// y = Op(x...) and the derivative that Op gives, as a program of scalars.
template <class Op> struct traced_derivative {
  static constexpr int arity = op_of<Op>()->arity;
  graph g;
  std::array<int, max_operands> dx{-1, -1, -1, -1};

  traced_derivative() {
    int x[max_operands + 1];
    for (int i = 0; i <= arity; ++i) {
      bool condition = i == 0 && formwork::is_condition_op<Op>;
      x[i] = g.push_here({.what = kind::input, .type = condition ? dtype::boolean : dtype::f64});
    }
    int y = build::map(g, op_of<Op>(), x, arity);
    op_of<Op>()->differentiate(g, x, y, x[arity], dx.data());
  }
  // dx[i] at a point; nothing for an operand without a derivative.
  std::array<std::optional<double>, arity> operator()(std::array<double, arity> const& x, double dy = 1) const {
    std::vector<double> inputs(x.begin(), x.end());
    inputs.push_back(dy);
    auto value = evaluate(g, inputs);
    std::array<std::optional<double>, arity> r;
    for (std::size_t i = 0; i < static_cast<std::size_t>(arity); ++i)
      if (dx[i] >= 0) r[i] = value[static_cast<std::size_t>(dx[i])];
    return r;
  }
};

// f'(x) from f at x -+ h and x -+ 2h: error h^4 |f'''''| / 30.
template <class F> double central_difference(F const& f, double x, double h) {
  return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h);
}

// Operand `operand` of the derivative against finite differences of the value, in f64. The tolerance is what the
// finite difference may be wrong by: its truncation error is below its change from step 2h to h (which is 15 times
// that error), and rounding, 8 epsilon of the largest magnitude met, is divided by h. Where the two steps disagree by
// more than 1e-4 the value has a corner there, as relu has at 0; such points, 5% at most, are left out.
template <class Op> comparisons compare_derivative(int operand, op_range const& range) {
  constexpr int n = op_of<Op>()->arity;
  constexpr double dy = -1.75;
  const auto at = static_cast<std::size_t>(operand);
  const traced_derivative<Op> derivative;
  comparisons list;
  int corners = 0;
  for (auto const& point : sample<n>(range, formwork::is_condition_op<Op>)) {
    double size = 1;
    auto f = [&](double x) {
      auto moved = point;
      moved[at] = x;
      double y = op_of<Op>()->evaluate(moved.data());
      size = std::max(size, std::max(std::abs(x), std::abs(y)));
      return y;
    };
    double h = std::exp2(std::floor(std::log2(1e-3 * (range.high_of(operand) - range.low_of(operand)) / 4)));
    double x = std::round(point[at] / h) * h + h / 2;  // x + h is exact
    double near = central_difference(f, x, h), far = central_difference(f, x, 2 * h);
    auto moved = point;
    moved[at] = x;
    auto dx = derivative(moved, dy)[at];
    if (!dx) return {};
    if (std::abs(near - far) > 1e-4 * std::max(1.0, std::abs(near))) {
      ++corners;
      continue;
    }
    double tolerance = std::abs(near - far) + 8 * std::numeric_limits<double>::epsilon() * size / h;
    list.push_back({*dx, dy * near, std::abs(dy) * tolerance});
  }
  REQUIRE(20 * corners <= range.points);
  return list;
}

template <class Op> void check_op(op_range const& range) {
  CAPTURE(Op::name);
  for (int i = formwork::is_condition_op<Op> ? 1 : 0; i < op_of<Op>()->arity; ++i) {
    CAPTURE(i);
    require_with_teeth(compare_derivative<Op>(i, range));
  }
}

}  // namespace formwork::testing
