// Programs drawn at random, with their gradients, through rematerialize, canonicalize, fuse, plan and lower; the
// kernels run as data and give what the program gives, in every order that threads and vectors may take.
#include "kernels/random_program.hpp"

#include "formwork/run/compile.hpp"
#include "kernels/tape_reference.hpp"
#include "support/program_test.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

// The largest error over outputs, as a part of what is allowed.
double worst(graph const& d, program_data const& data, walk_order order) {
  auto once = [&](rounding r) {
    interpreter run(d, r);
    load(run, data);
    run.set_random(5, 3);
    run.run();
    return run;
  };
  interpreter exact = once(rounding::none), naive = once(rounding::every_result);
  fusion f = fuse(canonicalize(rematerialize(d)));
  memory_plan m = plan_memory(f);
  auto p = std::make_unique<program_buffer>(freeze(f, m, lower(f, m)));
  kernel_machine run(*p, m, d, order);
  for (std::size_t k = 0; k < data.inputs.size(); ++k) run.set_input(static_cast<int>(k), data.inputs[k]);
  for (std::size_t k = 0; k < data.parameters.size(); ++k) run.set_parameter(static_cast<int>(k), data.parameters[k]);
  run.run(5, 3);
  double most = 0;
  for (std::size_t k = 0; k < d.outputs.size(); ++k) {
    auto got = run.output(k);
    auto const &a = exact.output(k), &b = naive.output(k);
    double size = 0, error = 0, rounding_error = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      size = std::max(size, std::abs(a[i]));
      rounding_error = std::max(rounding_error, std::abs(b[i] - a[i]));
      error = std::max(error, std::isfinite(got[i]) ? std::abs(got[i] - a[i]) : 1e30);
    }
    // Outputs that cancel to almost nothing still have the error of their terms, of order 1.
    most = std::max(most, error / (1e-3 * (size + 0.1) + 10 * rounding_error));
  }
  return most;
}

void check_seeds(unsigned first, unsigned last, random_program_options o) {
  for (unsigned seed = first; seed <= last; ++seed) {
    o.seed = seed;
    CAPTURE(seed);
    graph g = random_program(o).make();
    REQUIRE(problem_of(g) == "");
    graph d = simplify(differentiate(simplify(g, stop_gradients::keep), {.inputs = true}));
    program_data data(d, {-0.7, 0.7, 50, seed});
    walk_order orders[] = {{false, false, 8}, {true, true, 8}, {false, false, 1}};
    double most = 0;
    REQUIRE_NOTHROW(most = worst(d, data, orders[seed % 3]));
    CHECK(most <= 1);
  }
}

}  // namespace

TEST_CASE("kernels of random programs: a single operation") { check_seeds(1, 400, {.nodes = 1, .loops = 0}); }
TEST_CASE("kernels of random programs: a few operations") { check_seeds(1, 400, {.nodes = 4, .loops = 0}); }
TEST_CASE("kernels of random programs: many operations") { check_seeds(1, 300, {.nodes = 10, .loops = 0}); }
TEST_CASE("kernels of random programs: a loop") { check_seeds(1, 400, {.nodes = 5, .loops = 1}); }
TEST_CASE("kernels of random programs: several loops") { check_seeds(1, 300, {.nodes = 10, .loops = 3}); }
