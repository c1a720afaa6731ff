// repeat<Count, Block>: a stack of equal blocks as one loop: traced once, differentiated once, one set of kernels.
// Parameters inside are stacked, one set per iteration.
#pragma once

#include "value.hpp"

namespace formwork {

template <long Count, class Block> struct repeat {
  static constexpr long repeat_count = Count;
  Block block;
  int scope = -1;  // the loop that holds the parameters

  // x -> block(block(...block(x))); the block keeps shape and element type. Further arguments are the same in
  // every iteration.
  template <typed_value X, class... Same> constexpr auto operator()(X const& x, Same const&... same) const {
    graph& g = *x.g;
    for (node const& n : g.nodes)
      if (n.what == kind::carry && n.scope == scope) throw "a repeat can be called once: its parameters belong to one loop";
    g.scope = scope;
    value_of<X> variable{&g, build::carry(g, x.id)};
    auto next = block(variable, same...);
    if constexpr (require<std::is_same_v<value_of<decltype(next)>, value_of<X>>,
                                  error::repeated_block_changes_its_operand<value_of<X>, value_of<decltype(next)>, Block>>) {
      g[variable.id].in[1] = next.id;
      g.end_scope();
      return value_of<X>{&g, build::final(g, variable.id)};
    }
  }
};

}  // namespace formwork
