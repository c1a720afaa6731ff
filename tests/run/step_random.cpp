// Random programs and their gradients, compiled and executed on the CPU.
#include "kernels/random_program.hpp"
#include "support/catch.hpp"
#include "support/step_check.hpp"

#include "formwork/passes/differentiate.hpp"
#include "formwork/passes/simplify.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

template <unsigned Seed, int Nodes, int Loops> struct drawn_program {
  static constexpr graph make() {
    graph g = random_program({.seed = Seed, .nodes = Nodes, .loops = Loops}).make();
    return simplify(differentiate(simplify(g, stop_gradients::keep), {.inputs = true}));
  }
};

template <unsigned Seed, int Nodes, int Loops> void check_drawn() {
  for (auto const& c : compare_step<drawn_program<Seed, Nodes, Loops>>()) {
    CAPTURE(Seed, c.name, c.error, c.norm);
    CHECK(c.error * c.norm <= 2e-4 * (c.norm + 0.1));
  }
}

}  // namespace

TEST_CASE("step of random programs: a few operations") {
  check_drawn<8, 5, 0>();
}
TEST_CASE("step of random programs: loops") {
  check_drawn<6, 4, 1>();
  check_drawn<17, 4, 2>();
}
