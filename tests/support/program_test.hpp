// The checks that every traced program gets, in a line each:
//   check_gradients<two<shape<3, 4>, shape<4>>>([](auto const& m, auto const&) { return weighted_sum(m.a * m.b); });
// The program keeps the rules of program_check.hpp before and after every pass, simplify changes no value and nothing
// the second time, and the gradients of all parameters and floating-point inputs are those of finite differences.
#pragma once

#include <functional>

#include "formwork/ops/sin.hpp"
#include "formwork/trace/trace.hpp"
#include "support/catch.hpp"
#include "support/interpreter.hpp"
#include "support/modules.hpp"
#include "support/passes.hpp"

namespace formwork::testing {

// A scalar in which every element counts differently: sum_i x_i sin(0.7 i + 0.3).
template <typed_value X> constexpr auto weighted_sum(X const& x) {
  auto weight = sin(cast<dtype::f32>(iota<X::shape.elements()>(x)) * 0.7 + 0.3);
  return sum<>(reshape<X::shape.elements()>(x) * weight);
}

template <class Module, class Inputs = nothing, class Function> graph trace_of(Function) {
  return trace<Function, Module, Inputs>();
}

struct drawn {
  double low = -1, high = 1;  // floating-point elements
  long integers = 4;          // integer elements are 0, ..., integers - 1
  unsigned seed = 1;
};

// What one run of a program needs.
struct program_data {
  std::vector<std::vector<double>> inputs, parameters;
  program_data(graph const& g, drawn d = {});
};
void load(interpreter& run, program_data const& data);
interpreter run_program(graph const& g, program_data const& data, rounding r = rounding::none);

double largest(std::vector<double> const& x);  // of the absolute values
// Within 1e-11 of the largest element: f64 sums of a few thousand terms in another order.
bool same_values(std::vector<double> const& a, std::vector<double> const& b);

// Both programs give the same outputs.
void check_same_outputs(graph const& a, graph const& b, program_data const& data);

// simplify keeps the values and has nothing left to do the second time.
graph check_simplify(graph const& g, program_data const& data, stop_gradients stops = stop_gradients::remove);

// One element of a gradient beside its finite difference.
struct slope { double gradient, difference, tolerance; };
bool all_good(std::vector<slope> const& list, double factor = 1);

// f'(x) from f at x -+ h and x -+ 2h. Its truncation error is below its change from step 2h to h (15 times that
// error), and rounding, some epsilons of the largest value met, is divided by h.
slope finite_difference(std::function<double(double)> const& f, double x, double gradient);

// Every gradient that the program d = differentiate(g) returns.
void check_against_differences(graph const& g, graph const& d, program_data data);

void check_gradients(graph const& g, drawn how = {});
template <class Module, class Inputs = nothing, class Function> void check_gradients(Function f, drawn how = {}) {
  check_gradients(trace_of<Module, Inputs>(f), how);
}

}  // namespace formwork::testing
