// Random programs and their gradients, compiled and executed on the CPU.
#include "kernels/random_program.hpp"
#include "support/catch.hpp"
#include "support/passes.hpp"
#include "support/step_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

template <unsigned Seed, int Nodes, int Loops> struct drawn_program {
  static constexpr graph make() {
    graph g = random_program({.seed = Seed, .nodes = Nodes, .loops = Loops}).make();
    return simplified(differentiated(simplified(g, stop_gradients::keep), {.inputs = true}));
  }
};

// Vectors' elementary functions are off by up to two units in the last place, sums go in another order: both are within
// the factor by which random rounding is more than rounding to the nearest.
template <unsigned Seed, int Nodes, int Loops> void check_drawn() {
  int blunt = 0;
  for (auto const& c : compare_step<drawn_program<Seed, Nodes, Loops>>({.bound = 4})) {
    CAPTURE(Seed, c.name, c.error, c.norm, c.distance);
    CHECK(c.distance <= 1);
    blunt += !c.teeth;
  }
  CHECK(blunt <= 1);
}

}  // namespace

TEST_CASE("step of random programs: a few operations") {
  check_drawn<8, 5, 0>();
}
TEST_CASE("step of random programs: loops") {
  check_drawn<6, 4, 1>();
  check_drawn<17, 4, 2>();
}
TEST_CASE("step of random programs: a value at hand is also read from memory in another order") { check_drawn<379, 22, 0>(); }
TEST_CASE("step of random programs: one run of memory seen as other axes") { check_drawn<3445, 10, 3>(); }
TEST_CASE("step of random programs: values per row that are themselves repeated") { check_drawn<929, 40, 3>(); }
TEST_CASE("step of random programs: axes added are not axes repeated") { check_drawn<1492, 4, 0>(); }
