// The memory plan of random programs: no two buffers that are in use at the same time share a byte, and every stored
// value lies inside its memory.
#include "kernels/random_program.hpp"

#include "formwork/passes/canonicalize.hpp"
#include "formwork/passes/fuse.hpp"
#include "formwork/passes/plan.hpp"
#include "formwork/passes/rematerialize.hpp"
#include "support/program_test.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

bool overlap(buffer const& a, buffer const& b) {
  bool time = a.begin <= b.end && b.begin <= a.end, space = a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
  return time && space;
}

long collisions(memory_plan const& m) {
  long n = 0;
  for (std::size_t i = 0; i < m.buffers.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) n += overlap(m.buffers[i], m.buffers[j]);
  return n;
}

memory_plan plan_of(unsigned seed, int nodes, int loops) {
  graph g = random_program({.seed = seed, .nodes = nodes, .loops = loops}).make();
  graph d = simplified(differentiated(simplified(g, stop_gradients::keep), {.inputs = true}));
  return plan_memory(fuse(canonicalize(rematerialize(d))));
}

}  // namespace

TEST_CASE("plan: buffers in use at the same time do not overlap") {
  bool shares = false;
  for (unsigned seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    memory_plan m = plan_of(seed, 8, 2);
    CHECK(collisions(m) == 0);
    long sum = 0;
    for (auto const& b : m.buffers) {
      CHECK(b.offset >= 0);
      CHECK(b.offset % 64 == 0);
      CHECK(b.begin <= b.end);
      CHECK(b.offset + b.bytes <= m.workspace_bytes);
      sum += b.bytes;
    }
    CHECK(m.workspace_bytes <= sum);
    shares = shares || m.workspace_bytes < sum;
  }
  CHECK(shares);
}

TEST_CASE("plan: the check rejects a plan that overlaps") {
  memory_plan m;
  for (unsigned seed = 1; m.buffers.size() < 2; ++seed) m = plan_of(seed, 8, 0);
  m.buffers[1] = m.buffers[0];
  CHECK(collisions(m) > 0);
}

TEST_CASE("plan: parameters lie apart, decaying ones first") {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    graph g = random_program({.seed = seed, .nodes = 8, .loops = 1}).make();
    graph d = simplified(differentiated(simplified(g, stop_gradients::keep)));
    memory_plan m = plan_memory(fuse(canonicalize(rematerialize(d))));
    CHECK(m.parameter_elements % arena_row == 0);
    for (std::size_t i = 0; i < d.parameters.size(); ++i) {
      long begin = m.parameters[i].offset, end = begin + d.parameters[i].elements();
      CHECK(end <= (d.parameters[i].decays ? m.decayed_elements : m.parameter_elements));
      CHECK(begin >= (d.parameters[i].decays ? 0 : m.decayed_elements));
      for (std::size_t j = 0; j < i; ++j) {
        long b = m.parameters[j].offset, e = b + d.parameters[j].elements();
        CHECK((e <= begin || end <= b));
      }
    }
  }
}
