// Pre-norm residual blocks (Xiong et al. 2020), (B, T, Width) -> (B, T, Width): x + f(norm(x)), attention
// first, then the feed-forward half.
#pragma once

#include "../ops/add.hpp"
#include "../trace/attend.hpp"
#include "../trace/module.hpp"
#include "dropout.hpp"

namespace formwork {

// Policy::dropout is the rate of dropout of the attention's probabilities and after each half, as in GPT-2; a model's
// configuration has it.
template <class Norm, class Attention, class Mlp, class Policy> struct pre_norm_block {
  BOOST_HANA_DEFINE_STRUCT(pre_norm_block, (Norm, attention_norm), (Attention, attention), (Norm, mlp_norm),
                           (Mlp, mlp));

  // Further arguments go to the attention.
  template <typed_value X, class Mode = mode::evaluation, class... Argument>
  constexpr auto operator()(X const& x, Mode m = {}, Argument const&... argument) const {
    auto attended = [&] {
      if constexpr (Mode::drops && Policy::dropout > 0) return attention(attention_norm(x), with_dropout(Policy::dropout), argument...);
      else return attention(attention_norm(x), argument...);
    }();
    auto h = x + dropout(attended, Policy::dropout, m);
    return h + dropout(mlp(mlp_norm(h)), Policy::dropout, m);
  }
};

}  // namespace formwork
