// Every instruction of a lane: the GPU's answers beside the emulator's. With FORMWORK_RECORD=<file> in the environment
// they are written there too: as tests/gpu/instructions.golden an ordinary test holds the emulator to them.
#include <cstdlib>

#include "gpu/instruction_check.hpp"
#include "gpu/instructions.hpp"
#include "gpu/needs_gpu.hpp"

using namespace formwork::testing;

TEST_CASE("instructions: the GPU does what the emulator does") {
  FORMWORK_NEEDS_GPU();
  std::vector<recorded_instruction> all;
  for (int k = 0; k < instructions; ++k)
    for (int round = 0; round < instruction_rounds; ++round) {
      const auto which = static_cast<instruction>(k);
      const words in = instruction_inputs(which, round), got = on_gpu(k, in);
      CAPTURE(round);
      CHECK(difference(which, in, got) == "");
      all.push_back({which, round, checksum_of(in), got});
    }
  if (const char* path = std::getenv("FORMWORK_RECORD")) write_golden(path, gpu_name(), all);
}
