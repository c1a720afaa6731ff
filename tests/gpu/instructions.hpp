// What nvcc's part of the test of the instructions offers.
#pragma once

#include <cstdint>
#include <vector>

namespace formwork::testing {
// The words that a warp of the GPU answers.
std::vector<std::uint32_t> on_gpu(int which, std::vector<std::uint32_t> const& in);
}  // namespace formwork::testing
