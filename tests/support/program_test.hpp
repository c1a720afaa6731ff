// The checks that every traced program gets, in a line each:
//   check_gradients<two<shape<3, 4>, shape<4>>>([](auto const& m, auto const&) { return weighted_sum(m.a * m.b); });
// The program keeps the rules of program_check.hpp before and after every pass, simplify changes no value and nothing
// the second time, and the gradients of all parameters and floating-point inputs are those of finite differences.
#pragma once

#include "formwork/ops/sin.hpp"
#include "formwork/passes/differentiate.hpp"
#include "formwork/passes/simplify.hpp"
#include "formwork/program/describe.hpp"
#include "formwork/trace/trace.hpp"
#include "support/catch.hpp"
#include "support/interpreter.hpp"
#include "support/modules.hpp"

namespace formwork::testing {

// A scalar in which every element counts differently: sum_i x_i sin(0.7 i + 0.3).
template <typed_value X> constexpr auto weighted_sum(X const& x) {
  auto weight = sin(cast<dtype::f32>(iota<X::shape.elements()>(x)) * 0.7 + 0.3);
  return sum<>(reshape<X::shape.elements()>(x) * weight);
}

template <class Module, class Inputs = nothing, class Function> graph trace_of(Function) {
  return trace<Function, Module, Inputs>();
}

// ---- data ----

struct drawn {
  double low = -1, high = 1;  // floating-point elements
  long integers = 4;          // integer elements are 0, ..., integers - 1
  unsigned seed = 1;
};

// What one run of a program needs.
struct program_data {
  std::vector<std::vector<double>> inputs, parameters;

  program_data(graph const& g, drawn d = {}) {
    std::uint64_t state = d.seed;
    auto draw = [&] {  // SplitMix64 (Steele et al. 2014)
      std::uint64_t z = state += 0x9e3779b97f4a7c15u;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
      return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
    };
    for (auto const& i : g.inputs) {
      auto& x = inputs.emplace_back(static_cast<std::size_t>(i.shape.elements()));
      for (double& e : x) e = is_floating(i.type) ? d.low + (d.high - d.low) * draw() : std::floor(draw() * static_cast<double>(d.integers));
    }
    for (auto const& p : g.parameters) {
      auto& x = parameters.emplace_back(static_cast<std::size_t>(p.elements()));
      for (double& e : x) e = d.low + (d.high - d.low) * draw();
    }
  }
};

inline void load(interpreter& run, program_data const& data) {
  for (std::size_t k = 0; k < data.inputs.size(); ++k) run.set_input(static_cast<int>(k), data.inputs[k]);
  for (std::size_t k = 0; k < data.parameters.size(); ++k) run.set_parameter(static_cast<int>(k), data.parameters[k]);
}
inline interpreter run_program(graph const& g, program_data const& data, rounding r = rounding::none) {
  interpreter run(g, r);
  load(run, data);
  run.run();
  return run;
}

// ---- comparisons ----

inline double largest(std::vector<double> const& x) {
  double m = 0;
  for (double e : x) m = std::max(m, std::abs(e));
  return m;
}

// Within 1e-11 of the largest element: f64 sums of a few thousand terms in another order.
inline bool same_values(std::vector<double> const& a, std::vector<double> const& b) {
  if (a.size() != b.size()) return false;
  double tolerance = 1e-11 * std::max(1.0, largest(b));
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(std::abs(a[i] - b[i]) <= tolerance)) return false;
  return true;
}

// Both programs give the same outputs.
inline void check_same_outputs(graph const& a, graph const& b, program_data const& data) {
  REQUIRE(problem_of(a) == "");
  REQUIRE(problem_of(b) == "");
  REQUIRE(a.outputs.size() == b.outputs.size());
  interpreter x = run_program(a, data), y = run_program(b, data);
  for (std::size_t k = 0; k < a.outputs.size(); ++k) {
    CAPTURE(a.outputs[k].name.view(), x.output(k), y.output(k));
    CHECK(same_values(x.output(k), y.output(k)));
  }
}

// simplify keeps the values and has nothing left to do the second time.
inline graph check_simplify(graph const& g, program_data const& data, stop_gradients stops = stop_gradients::remove) {
  graph s = simplify(g, stops);
  check_same_outputs(g, s, data);
  CHECK(describe(simplify(s, stops)) == describe(s));
  return s;
}

// One element of a gradient beside its finite difference.
struct slope { double gradient, difference, tolerance; };

inline bool all_good(std::vector<slope> const& list, double factor = 1) {
  for (auto const& s : list)
    if (!(std::abs(factor * s.gradient - s.difference) <= s.tolerance)) return false;
  return true;
}

// f'(x) from f at x -+ h and x -+ 2h. Its truncation error is below its change from step 2h to h (15 times that
// error), and rounding, some epsilons of the largest value met, is divided by h.
template <class F> slope finite_difference(F const& f, double x, double gradient) {
  constexpr double h = 0x1p-11;
  double size = 1;
  auto at = [&](double moved) {
    double y = f(moved);
    size = std::max(size, std::abs(y));
    return y;
  };
  auto central = [&](double s) { return (8 * (at(x + s) - at(x - s)) - (at(x + 2 * s) - at(x - 2 * s))) / (12 * s); };
  double near = central(h), far = central(2 * h);
  return {gradient, near, std::abs(near - far) + 64 * std::numeric_limits<double>::epsilon() * size / h};
}

// At most this many elements of each tensor are moved.
inline constexpr std::size_t moved_elements = 16;

inline void require_slopes(std::vector<slope> const& list) {
  double scale = 0;
  for (auto const& s : list) scale = std::max(scale, std::abs(s.difference));
  for (auto const& s : list)
    if (std::abs(s.gradient - s.difference) > s.tolerance || s.tolerance > 1e-5 * std::max(1.0, scale)) {
      CAPTURE(s.gradient, s.difference, s.tolerance);
      FAIL_CHECK("the gradient is not that of finite differences, or these say too little");
      return;
    }
  if (scale == 0) return;
  CHECK_FALSE(all_good(list, 0));
  CHECK_FALSE(all_good(list, 1.01));
  CHECK_FALSE(all_good(list, -1));
}

// Every gradient that the program d = differentiate(g) returns.
inline void check_against_differences(graph const& g, graph const& d, program_data data) {
  interpreter gradients = run_program(d, data), run(g);
  load(run, data);
  for (std::size_t k = 0; k < d.outputs.size(); ++k) {
    auto const& o = d.outputs[k];
    if (o.what == role::value) continue;
    CAPTURE(o.name.view());
    auto& x = (o.what == role::parameter_gradient ? data.parameters : data.inputs)[static_cast<std::size_t>(o.number)];
    REQUIRE(gradients.output(k).size() == x.size());
    std::vector<slope> list;
    for (std::size_t i = 0; i < x.size(); i += (x.size() + moved_elements - 1) / moved_elements) {
      double kept = x[i];
      auto loss = [&](double moved) {
        x[i] = moved;
        if (o.what == role::parameter_gradient) run.set_parameter(o.number, x);
        else run.set_input(o.number, x);
        run.run();
        return run.output(0)[0];
      };
      list.push_back(finite_difference(loss, kept, gradients.output(k)[i]));
      loss(kept);
    }
    require_slopes(list);
  }
}

inline void check_gradients(graph const& g, drawn how = {}) {
  REQUIRE(problem_of(g) == "");
  program_data data(g, how);
  graph s = check_simplify(g, data, stop_gradients::keep);
  graph plain = differentiate(g, {.inputs = true}), raw = differentiate(s, {.inputs = true});
  REQUIRE(problem_of(raw) == "");
  graph d = check_simplify(raw, data);
  check_same_outputs(plain, d, data);
  check_against_differences(g, d, data);
}

template <class Module, class Inputs = nothing, class Function> void check_gradients(Function f, drawn how = {}) {
  check_gradients(trace_of<Module, Inputs>(f), how);
}

}  // namespace formwork::testing
