// What the constexpr program knows of an elementwise operation, and the way from an operation's type to that
// data and back. An operation is a plain struct (see docs/add_an_op.md):
//
//   struct silu {                                       // y = x s, s = 1 / (1 + exp(-x))
//     static constexpr auto name = "silu";
//     static constexpr int flops = 6;
//     FORMWORK_FN static constexpr auto value(auto x) { return x * sigmoid(x); }
//     static constexpr auto derivative(auto x, auto y, auto dy) { auto s = sigmoid(x); return dy * (s + y * (1 - s)); }
//   };
//
// Optional members: `result` (the dtype of the result where it is not the operands'), `commutative`,
// `cheap` = false for an op that is worth storing rather than computing twice, `condition` for an op whose
// first operand is a boolean.
#pragma once

#include <array>
#include <tuple>
#include <type_traits>
#include <utility>

#include "../core/dtype.hpp"

namespace formwork {

struct graph;

inline constexpr int max_operands = 4;

struct op_info {
  const char* name;
  int arity;
  int flops;             // per element
  bool cheap;            // computing it twice costs less than storing and loading its result
  bool commutative;
  bool has_result_type;  // result dtype is `result`, not the last operand's
  dtype result;
  double (*evaluate)(const double*);                                   // the formula in f64, for folding and oracles
  void (*differentiate)(graph&, const int* x, int y, int dy, int* dx); // adds the derivative's nodes; dx[i] < 0: none
};

// An operand that has no derivative.
struct no_gradient {};

template <class Op, class... Args> concept takes = requires(Args... args) { Op::value(args...); };

// An op whose first operand is a boolean.
template <class Op> inline constexpr bool is_condition_op = requires { Op::condition; };

// What an op says of itself, or the default.
template <class Op> constexpr int arity_of() {
  if constexpr (requires { Op::arity; }) return Op::arity;
  else if constexpr (takes<Op, double>) return 1;
  else if constexpr (takes<Op, double, double>) return 2;
  else if constexpr (is_condition_op<Op> ? takes<Op, bool, double, double> : takes<Op, double, double, double>) return 3;
  else return 4;
}

template <class Op> constexpr int flops_of() {
  if constexpr (requires { Op::flops; }) return Op::flops;
  else return 1;
}
template <class Op> constexpr bool cheap_of() {
  if constexpr (requires { Op::cheap; }) return Op::cheap;
  else return flops_of<Op>() <= 4;
}
template <class Op> constexpr bool commutative_of() {
  if constexpr (requires { Op::commutative; }) return Op::commutative;
  else return false;
}
template <class Op> constexpr dtype result_of() {
  if constexpr (requires { Op::result; }) return Op::result;
  else return dtype::f32;
}

namespace detail {

template <class Op> constexpr double evaluate_op(const double* x) {
  constexpr int n = arity_of<Op>();
  if constexpr (is_condition_op<Op>) return static_cast<double>(Op::value(x[0] != 0, x[1], x[2]));
  else if constexpr (n == 1) return static_cast<double>(Op::value(x[0]));
  else if constexpr (n == 2) return static_cast<double>(Op::value(x[0], x[1]));
  else if constexpr (n == 3) return static_cast<double>(Op::value(x[0], x[1], x[2]));
  else return static_cast<double>(Op::value(x[0], x[1], x[2], x[3]));
}

// Defined in trace/derivative.hpp, where traced expressions exist.
template <class Op> struct op_derivative {
  static constexpr void apply(graph& g, const int* x, int y, int dy, int* dx);
};

template <class Op>
inline constexpr op_info info_of{Op::name,
                                 arity_of<Op>(),
                                 flops_of<Op>(),
                                 cheap_of<Op>(),
                                 commutative_of<Op>(),
                                 requires { Op::result; },
                                 result_of<Op>(),
                                 &evaluate_op<Op>,
                                 &op_derivative<Op>::apply};

// The way back from data to type: instantiating registration<Op> defines the friend that op_key declares.
#if defined(__CUDACC__)
#pragma nv_diag_suppress 1301
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-template-friend"
#endif
template <const op_info* Info> struct op_key {
  friend constexpr auto op_type(op_key<Info>);
};
template <class Op> struct op_registration {
  static_assert(sizeof(op_key<&info_of<Op>>) > 0);  // declared before it is defined: nvcc 12.4 loses a body that comes first
  friend constexpr auto op_type(op_key<&info_of<Op>>) { return Op{}; }
  static constexpr const op_info* info = &info_of<Op>;
};
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

}  // namespace detail

// From an operation's type to its data, and back.
template <class Op> constexpr const op_info* op_of() { return detail::op_registration<Op>::info; }
template <const op_info* Info> using op_type_of = decltype(op_type(detail::op_key<Info>{}));

}  // namespace formwork
