#include "program_test.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "formwork/program/describe.hpp"

namespace formwork::testing {
namespace {

// At most this many elements of each tensor are moved.
constexpr std::size_t moved_elements = 16;

void require_slopes(std::vector<slope> const& list) {
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

}  // namespace

bool all_good(std::vector<slope> const& list, double factor) {
  for (auto const& s : list)
    if (!(std::abs(factor * s.gradient - s.difference) <= s.tolerance)) return false;
  return true;
}

slope finite_difference(std::function<double(double)> const& f, double x, double gradient) {
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

program_data::program_data(graph const& g, drawn d) {
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

void load(interpreter& run, program_data const& data) {
  for (std::size_t k = 0; k < data.inputs.size(); ++k) run.set_input(static_cast<int>(k), data.inputs[k]);
  for (std::size_t k = 0; k < data.parameters.size(); ++k) run.set_parameter(static_cast<int>(k), data.parameters[k]);
}
interpreter run_program(graph const& g, program_data const& data, rounding r) {
  interpreter run(g, r);
  load(run, data);
  run.run();
  return run;
}

double largest(std::vector<double> const& x) {
  double m = 0;
  for (double e : x) m = std::max(m, std::abs(e));
  return m;
}

bool same_values(std::vector<double> const& a, std::vector<double> const& b) {
  if (a.size() != b.size()) return false;
  double tolerance = 1e-11 * std::max(1.0, largest(b));
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(std::abs(a[i] - b[i]) <= tolerance)) return false;
  return true;
}

void check_same_outputs(graph const& a, graph const& b, program_data const& data) {
  REQUIRE(problem_of(a) == "");
  REQUIRE(problem_of(b) == "");
  REQUIRE(a.outputs.size() == b.outputs.size());
  interpreter x = run_program(a, data), y = run_program(b, data);
  for (std::size_t k = 0; k < a.outputs.size(); ++k) {
    CAPTURE(a.outputs[k].name.view(), x.output(k), y.output(k));
    CHECK(same_values(x.output(k), y.output(k)));
  }
}

graph check_simplify(graph const& g, program_data const& data, stop_gradients stops) {
  graph s = simplified(g, stops);
  check_same_outputs(g, s, data);
  CHECK(describe(simplified(s, stops)) == describe(s));
  return s;
}

void check_against_differences(graph const& g, graph const& d, program_data data) {
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

void check_gradients(graph const& g, drawn how) {
  REQUIRE(problem_of(g) == "");
  program_data data(g, how);
  graph s = check_simplify(g, data, stop_gradients::keep);
  graph plain = differentiated(g, {.inputs = true}), raw = differentiated(s, {.inputs = true});
  REQUIRE(problem_of(raw) == "");
  graph d = check_simplify(raw, data);
  check_same_outputs(plain, d, data);
  check_against_differences(g, d, data);
}

}  // namespace formwork::testing
