// Peak resident memory of training against the plan that the compiler made, for each training program here: each trains
// a few steps in a process of its own. Exit status 1 where one takes more than its arena and 64 MiB.
//   resident
#include <cstdio>

#include "formwork/run/resident.hpp"
#include "gpt_runs.hpp"
#include "training_fixture.hpp"

namespace {

using namespace formwork;

template <class Run> bool check(const char* name) {
  const long long taken = resident_bytes([] {
    bench::training_fixture<Run> f;
    for (int i = 0; i < 3; ++i) f.once();
  });
  const auto in_MiB = [](long long bytes) { return static_cast<double>(bytes) / static_cast<double>(MiB); };
  std::printf("%-36s arena %8.1f MiB, resident %8.1f MiB, beside the arena %+7.1f MiB\n", name, in_MiB(arena_bytes<Run>), in_MiB(taken),
              in_MiB(taken - arena_bytes<Run>));
  return taken <= arena_bytes<Run> + 64 * MiB;
}

}  // namespace

int main() {
  const bool small = check<bench::example_run>("gpt 4 layers, 128 wide, 8 x 128");
  const bool middle = check<bench::small_run>("gpt 6 layers, 384 wide, 8 x 256");
  const bool large = check<bench::gpt2_run>("gpt2 124M, 4 x 64");
  return small && middle && large ? 0 : 1;
}
