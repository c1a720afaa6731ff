// Attention's kernel types on the `attend` skeleton.
#pragma once

#include "attend.hpp"
#include "execute.hpp"
#include "score_tape.hpp"

namespace formwork::cpu {

namespace detail {

template <class Query, class Key> struct attend_types;
template <long B, long Tq, long H, long D, long B2, long Tk, long G, long D2> struct attend_types<shape<B, Tq, H, D>, shape<B2, Tk, G, D2>> {
  using problem = attend_shape<static_cast<int>(B), static_cast<int>(H), static_cast<int>(G), static_cast<int>(Tq), static_cast<int>(Tk), static_cast<int>(D)>;
};

// Argument K as heads: strides of B, T and H.
template <class T, class List, int K> FORMWORK_INLINE attend_rows<T> heads_of(launch_context const& ctx) {
  using a = typename argument_at<List, K>::row;
  return {static_cast<T*>(ctx.arguments[K]), a::stride(0), a::stride(2), a::stride(1)};
}

}  // namespace detail

template <class Query, class Key, int Score, int Mask, dtype Type, class Arguments, class Tape>
struct execute<attend_kernel<Query, Key, Score, Mask, Type, Arguments, Tape>> {
  using T = std::conditional_t<Type == dtype::f64, double, float>;
  using problem = typename detail::attend_types<Query, Key>::problem;
  using score = score_tape<T, Score, -1, Mask, Arguments, Tape>;
  static constexpr std::size_t scratch_bytes = 0;

  FORMWORK_HIDDEN static void run(launch_context const& ctx) {
    attend_inputs<T> in{detail::heads_of<const T, Arguments, 0>(ctx), detail::heads_of<const T, Arguments, 1>(ctx), detail::heads_of<const T, Arguments, 2>(ctx)};
    attend_forward<T, problem>(in, detail::heads_of<T, Arguments, 3>(ctx), static_cast<T*>(ctx.arguments[4]), score{ctx.arguments});
  }
};

template <class Query, class Key, int Score, int Derivative, int Mask, dtype Type, class Arguments, class Tape>
struct execute<attend_backward_kernel<Query, Key, Score, Derivative, Mask, Type, Arguments, Tape>> {
  using T = std::conditional_t<Type == dtype::f64, double, float>;
  using problem = typename detail::attend_types<Query, Key>::problem;
  using score = score_tape<T, Score, Derivative, Mask, Arguments, Tape>;
  static constexpr std::size_t scratch_bytes = attend_backward_scratch_bytes<T, problem, score>;

  FORMWORK_HIDDEN static void run(launch_context const& ctx) {
    attend_inputs<T> in{detail::heads_of<const T, Arguments, 0>(ctx), detail::heads_of<const T, Arguments, 1>(ctx), detail::heads_of<const T, Arguments, 2>(ctx)};
    attend_gradients<T> out{detail::heads_of<T, Arguments, 6>(ctx), detail::heads_of<T, Arguments, 7>(ctx), detail::heads_of<T, Arguments, 8>(ctx)};
    attend_backward<T, problem>(in, detail::heads_of<const T, Arguments, 3>(ctx), static_cast<const T*>(ctx.arguments[4]),
                                detail::heads_of<const T, Arguments, 5>(ctx), out, score{ctx.arguments}, ctx.scratch);
  }
};

}  // namespace formwork::cpu
