// The skeleton `attend` on a GPU: forward in one launch, backward in three, and one more where the score's tables have
// gradients.
#pragma once

#include "attend_query_gradient.hpp"

namespace formwork::gpu {

template <class Query, class Key, int Score, int Mask, dtype Type, class Arguments, class Tape, class Options>
struct kernel_plan<attend_kernel<Query, Key, Score, Mask, Type, Arguments, Tape>, Options> {
  using problem = attend_problem<Query, Key, Type, Arguments, Options>;
  using score = attend_tape<typename problem::T, Score, -1, Mask, Arguments, Tape>;
  static constexpr std::size_t scratch_bytes = 0;
  using launches = launch_list<attend_forward_launch<problem, score>>;
};

template <class Query, class Key, int Score, int Derivative, int Mask, dtype Type, class Arguments, class Tape, class Options>
struct kernel_plan<attend_backward_kernel<Query, Key, Score, Derivative, Mask, Type, Arguments, Tape>, Options> {
  using problem = attend_problem<Query, Key, Type, Arguments, Options>;
  using score = attend_tape<typename problem::T, Score, Derivative, Mask, Arguments, Tape>;
  using delta = attend_delta_launch<problem>;
  using keys = attend_key_gradient_launch<problem, score>;
  using queries = attend_query_gradient_launch<problem, score>;
  static constexpr std::size_t scratch_bytes = queries::scratch_elements * sizeof(typename problem::T);
  using launches = std::conditional_t<queries::has_tables, launch_list<delta, keys, queries, attend_tables_launch<queries, score>>, launch_list<delta, keys, queries>>;
};

}  // namespace formwork::gpu
