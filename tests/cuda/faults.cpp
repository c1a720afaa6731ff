// What a kernel could do wrong, done on purpose in one kernel at a time: each must be seen by the checks that the kernels
// themselves pass. Products have theirs in contract.cpp.
#include "cuda/check.hpp"
#include "formwork/formwork.hpp"
#include "support/rows_functions.hpp"

using namespace formwork;
using namespace formwork::testing;
using emulator::fault;

namespace {

// How many barriers and waits a kernel's threads come to.
template <class Source> emulator::synchronization synchronization_of(const char* kernel) {
  emulator::synchronization count;
  emulator::settings how{.only = kernel, .count = &count};
  compare_step<Source, emulator::device<>>({.queue = &how});
  return count;
}

// Two key blocks and one block of queries, or the other way round, neither filled; two heads of queries for one of keys. Rows of
// 40 elements are padded to 48 with zeros, which products add up.
struct attention {
  constexpr auto operator()(auto const& m, auto const& in) const {
    auto half = [](auto x) { return cast<dtype::bf16>(x); };
    return sum<>(cast<dtype::f32>(attend(half(m.a), half(m.b), half(m.c), with_mask(causal))) * in.x);
  }
};
using query = shape<1, 70, 2, 40>;
using key = shape<1, 70, 1, 40>;
using attention_of = gradients_of<attention, three<query, key, key>, numbers<query>>;
constexpr double bf16_tolerance = 8 * 0x1p-9;  // as in attend.cpp
// Scores so large that weights are unequal: among equal weights a wrong key would hardly count.
step_check_options peaked() {
  step_check_options o;
  o.spread = 1.5;
  return o;
}
bool attention_shows(fault wrong, int at, const char* kernel, int seeds = 16) { return is_caught<attention_of>(bf16_tolerance, wrong, at, kernel, peaked(), seeds); }

using several_warps = norm_of<5, 300>;

// The kernels of attention that go through shared memory.
constexpr const char* attention_kernels[] = {"attend", "attend key gradient", "attend query gradient"};

}  // namespace

TEST_CASE("faults: attention without one of its barriers or waits") {
  for (auto const& c : compare_step<attention_of, emulator::device<>>(peaked())) {
    CAPTURE(c.name, c.error);
    CHECK(c.error <= bf16_tolerance);
  }
  for (const char* kernel : attention_kernels) {
    const emulator::synchronization s = synchronization_of<attention_of>(kernel);
    CAPTURE(kernel, s.barriers, s.waits);
    CHECK(s.barriers >= 2);
    for (int at = 0; at < s.barriers; ++at) {
      CAPTURE(at);
      CHECK(attention_shows(fault::drop_barrier, at, kernel));
    }
    // The last wait is for a block whose mask shows nothing: it leaves with its first copies in flight, and nobody reads
    // them. Here every block sees something, and nothing is left to wait for.
    CHECK(s.waits >= 3);
    for (int at = 0; at < s.waits - 1; ++at) {
      CAPTURE(at);
      CHECK(attention_shows(fault::drop_wait, at, kernel));
    }
    CHECK_FALSE(attention_shows(fault::drop_wait, s.waits - 1, kernel, 2));
  }
}
TEST_CASE("faults: attention with wrong addresses, predicates and fragments") {
  for (const char* kernel : attention_kernels)
    for (fault wrong : {fault::wrong_swizzle, fault::wide_predicate, fault::swapped_rows}) {
      CAPTURE(kernel, static_cast<int>(wrong));
      CHECK(attention_shows(wrong, 0, kernel));
    }
}
TEST_CASE("faults: rows across warps and column sums without one of their barriers") {
  const double tolerance = f32_tolerance(200);
  CHECK_FALSE(is_caught<several_warps>(tolerance, fault::none, 0));
  for (const char* kernel : {"rows", "column sums"}) {
    const int barriers = synchronization_of<several_warps>(kernel).barriers;
    CAPTURE(kernel, barriers);
    CHECK(barriers >= 1);
    for (int at = 0; at < barriers; ++at) {
      CAPTURE(at);
      CHECK(is_caught<several_warps>(tolerance, fault::drop_barrier, at, kernel));
    }
  }
}

TEST_CASE("faults: one bit of one result") {
  guarded_array<float> x(33);
  for (std::size_t i = 0; i < 33; ++i) x[i] = static_cast<float>(i);
  auto hash = [&] { return hash_of(x.get(), 33 * sizeof(float)); };
  const std::uint64_t before = hash();
  for (std::size_t bit = 0; bit < 33 * 32; ++bit) {
    auto& byte = reinterpret_cast<unsigned char*>(x.get())[bit / 8];
    byte = static_cast<unsigned char>(byte ^ 1u << bit % 8);
    if (hash() == before) FAIL("bit " << bit << " does not count");
    byte = static_cast<unsigned char>(byte ^ 1u << bit % 8);
  }
  CHECK(hash() == before);
}
TEST_CASE("faults: a write outside of a buffer") {
  guarded_array<float> inside(33), behind(33), before(33);
  for (std::size_t i = 0; i < 33; ++i) inside[i] = 1.f;
  CHECK_NOTHROW(inside.check("inside"));
  behind[33] = 1.f;
  CHECK_THROWS_WITH(behind.check("this"), Catch::Contains("this: written 0 bytes behind its end"));
  before.get()[-1] = 1.f;
  CHECK_THROWS_WITH(before.check("this"), Catch::Contains("bytes before its begin"));
}

namespace {

// Each block leaves a mark and looks whether the block before it, and the one behind it, has left one.
struct neighbours {
  static constexpr const char* name = "neighbours";
  static constexpr gpu::launch_shape shape{.blocks = 9};
  template <class Lane> FORMWORK_DEVICE static void run(Lane const& lane, gpu::kernel_arguments<2> const& a) {
    if (lane.thread() != 0) return;
    int *marks = static_cast<int*>(a.arguments[0]), *seen = static_cast<int*>(a.arguments[1]);
    const long b = lane.block();
    if (b > 0) seen[0] += marks[b - 1];
    if (b + 1 < shape.blocks) seen[1] += marks[b + 1];
    marks[b] = 1;
  }
};

}  // namespace

TEST_CASE("faults: blocks run upwards, downwards, and from anywhere") {
  bool above_first = false, below_first = false;
  int inner_begins = 0;
  for (std::uint64_t seed = 1; seed <= 16; ++seed) {
    emulator::settings how{.seed = seed};
    int marks[9] = {}, seen[2] = {};
    emulator::launcher::launch<neighbours>(gpu::kernel_arguments<2>{.arguments = {marks, seen}, .scratch = nullptr, .random = nullptr, .iteration = 0}, &how);
    CHECK(seen[0] + seen[1] == 8);  // of two neighbours one is the first
    below_first = below_first || seen[0] >= 7;
    above_first = above_first || seen[1] >= 7;
    inner_begins += seen[0] == 7 || seen[1] == 7;
  }
  CHECK(below_first);
  CHECK(above_first);
  CHECK(inner_begins >= 8);
}
