// Pre-norm residual blocks (Xiong et al. 2020), (B, T, Width) -> (B, T, Width): x + f(norm(x)), attention
// first, then the feed-forward half.
#pragma once

#include "../ops/add.hpp"
#include "../trace/module.hpp"
#include "dropout.hpp"

namespace formwork {

// Policy::dropout is the rate of dropout after each half; a model's configuration has it.
template <class Norm, class Attention, class Mlp, class Policy> struct pre_norm_block {
  BOOST_HANA_DEFINE_STRUCT(pre_norm_block, (Norm, attention_norm), (Attention, attention), (Norm, mlp_norm),
                           (Mlp, mlp));

  // Further arguments go to the attention.
  template <typed_value X, class Mode = mode::evaluation, class... Argument>
  constexpr auto operator()(X const& x, Mode m = {}, Argument const&... argument) const {
    auto h = x + dropout(attention(attention_norm(x), argument...), Policy::dropout, m);
    return h + dropout(mlp(mlp_norm(h)), Policy::dropout, m);
  }
};

}  // namespace formwork
