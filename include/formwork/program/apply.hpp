// apply<Op>(x...): the one way to use an elementwise operation. On numbers and SIMD packs it computes; on traced
// values it records (trace/value.hpp); on tensors in memory it makes a lazy expression (run/lazy.hpp).
#pragma once

#include "../core/config.hpp"
#include "op.hpp"

namespace formwork {

// Handles whose operations are recorded instead of computed.
template <class T> concept traced = requires { typename T::recorded_as; };

// How an op is recorded on such handles: `result`, the handle's type, and `record(args...)`. Specialised where the
// handles are defined.
template <class Op, class... Args> struct recorder;

namespace detail {

// Numbers, packs of them and masks: what a formula computes with.
template <class T> concept computable = requires(T const& x) { x + x; } || requires(T const& x) { x && x; };

template <class Op, class... Args> struct application {};
template <class Op, class... Args> requires(traced<Args> || ...)
struct application<Op, Args...> {
  using type = typename recorder<Op, Args...>::result;
};
template <class Op, class... Args> requires(!(traced<Args> || ...) && (computable<Args> && ...))
struct application<Op, Args...> {
  using type = decltype(Op::value(std::declval<Args const&>()...));
};

}  // namespace detail

// What apply<Op>(args...) returns; there is none where an argument is neither traced nor computable. Functions that
// record name this type instead of `auto`: an operation's data holds its derivative, whose formula may use the
// same function, so that a deduced type would depend on itself.
template <class Op, class... Args> using applied = typename detail::application<Op, Args...>::type;
// The same for operators, which exist already for what is not traced.
template <class Op, class... Args> requires(traced<Args> || ...)
using recorded = typename recorder<Op, Args...>::result;

template <class Op, class... Args> FORMWORK_FN constexpr applied<Op, Args...> apply(Args const&... args) {
  if constexpr ((traced<Args> || ...)) return recorder<Op, Args...>::record(args...);
  else return Op::value(args...);
}

}  // namespace formwork
