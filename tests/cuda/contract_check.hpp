// Products to check in the emulator.
#pragma once

#include "cuda/check.hpp"
#include "formwork/formwork.hpp"
#include "support/products.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace formwork::testing {

// A tile of the schedule's list, K in one piece.
constexpr gpu_contract_schedule whole_depth(gpu_products what, int tile, long k) {
  gpu_contract_schedule s = gpu_contract_tile(what, tile);
  s.depth_each = (k + s.tile_depth - 1) / s.tile_depth * s.tile_depth;
  return s;
}

}  // namespace formwork::testing
