// apply<Op>(x...): the one way to use an elementwise operation. On numbers and SIMD packs it computes; on traced
// values it records (trace/record.hpp); on tensors in memory it makes a lazy expression (tensor/lazy.hpp).
#pragma once

#include "../core/config.hpp"
#include "op.hpp"

namespace formwork {

// Handles whose operations are recorded instead of computed.
template <class T> concept traced = requires { typename T::recorded_as; };

// How an op is recorded on such handles; specialised where the handles are defined.
template <class Op, class... Args> struct recorder;

template <class Op, class... Args> FORMWORK_FN constexpr auto apply(Args const&... args) {
  if constexpr ((traced<Args> || ...)) return recorder<Op, Args...>::record(args...);
  else return Op::value(args...);
}

}  // namespace formwork
