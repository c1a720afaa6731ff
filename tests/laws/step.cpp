// Laws of a compiled step: no heap allocation, the same bits at every run and for any number of threads, whatever
// the workspace held before.
#include <malloc.h>

#include <cstring>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "formwork/ops/tanh.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/programs.hpp"
#include "support/step_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

// Rows and columns that do not divide a vector; large enough for threads.
struct block {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto h = tanh(matmul(in.x, m.a) + m.b);
    auto e = exp(h - maximum<-1>(stop_gradient(h)));
    auto p = e / sum<-1>(e);
    return mean<>(p * p * h);
  }
};
using source = gradients_of<block, two<shape<67, 203>, shape<203>>, numbers<shape<211, 67>>>;
using program = compiled<source>;
using run = step<program, cpu_device>;

// Loss and gradients as bytes.
std::vector<unsigned char> bits(unsigned char stale, long* allocated = nullptr) {
  std::size_t arena = static_cast<std::size_t>(program::value.parameter_elements);
  auto parameters = aligned_array<float>(arena), gradients = aligned_array<float>(arena);
  auto workspace = aligned_array<std::byte>(run::workspace_bytes);
  std::memset(workspace.get(), stale, run::workspace_bytes);
  std::memset(gradients.get(), 0, arena * 4);
  std::vector<float> x(211 * 67);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i));
  for (std::size_t i = 0; i < arena; ++i) parameters[i] = 0.3f * std::cos(static_cast<float>(3 * i));
  float loss = 0;
  void *inputs[] = {x.data()}, *outputs[] = {&loss};
  step_memory m{workspace.get(), reinterpret_cast<std::byte*>(parameters.get()), reinterpret_cast<std::byte*>(gradients.get()), inputs, outputs, 1, 2};
  run::run(m);
  long before = allocations;
  std::size_t held = mallinfo2().uordblks;
  for (int i = 0; i < 3; ++i) run::run(m);
  if (allocated) *allocated = allocations - before + static_cast<long>(mallinfo2().uordblks - held);
  std::vector<unsigned char> all(arena * 4 + 4);
  std::memcpy(all.data(), gradients.get(), arena * 4);
  std::memcpy(all.data() + arena * 4, &loss, 4);
  REQUIRE(std::isfinite(loss));
  REQUIRE(loss != 0);
  return all;
}

}  // namespace

TEST_CASE("step allocates nothing on the heap") {
  long allocated = -1;
  bits(0, &allocated);
  CHECK(allocated == 0);
}

TEST_CASE("step gives the same bits again, over any stale workspace") {
  auto first = bits(0x00);
  CHECK(first == bits(0x00));
  CHECK(first == bits(0xff));
  CHECK(first == bits(0xc1));
}

#if defined(_OPENMP)
TEST_CASE("step gives the same bits with any number of threads") {
  omp_set_num_threads(1);
  auto one_thread = bits(0);
  for (int threads : {2, 3}) {
    omp_set_num_threads(threads);
    CHECK(bits(0) == one_thread);
  }
}
#endif

TEST_CASE("step computes what the program says") {
  for (auto const& c : compare_step<source>()) {
    CAPTURE(c.name, c.error);
    CHECK(c.error < 1e-5);
  }
}
