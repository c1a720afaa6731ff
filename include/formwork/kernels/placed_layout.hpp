// The strides of what a memory plan has placed.
#pragma once

#include "../passes/plan.hpp"

namespace formwork::detail {

// The strides of a node's storage once it is placed.
struct placed_layout {
  graph const& g;
  memory_plan const& m;
  constexpr access operator()(int id) const {
    access a;
    place const& p = m.at[static_cast<std::size_t>(id)];
    if (p.stride.rank == g[id].shape.rank && (g[id].shape.rank > 0 || p.buffer >= 0 || p.where != region::workspace)) {
      a.stride = p.stride;
      a.offset = p.first;
    } else {
      a.stride = contiguous_strides(g[id].shape);
    }
    return a;
  }
};

}  // namespace formwork::detail
