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

// Arguments K... as heads of Width numbers of type T, strides of B, T and H. What is stored as another type is copied,
// [B, T, H, Width], into the launch's scratch.
template <class T, class List, int Width, int... K> struct head_arguments {
  template <int A> using argument = argument_at<List, A>;
  template <int A> using strides = typename argument<A>::row;
  template <int A> using stored = formwork::element_t<argument<A>::type>;
  template <int A> static constexpr bool copied = !std::is_same_v<stored<A>, T>;
  template <int A> static constexpr std::ptrdiff_t rows = strides<A>::extent(0) * strides<A>::extent(1) * strides<A>::extent(2);
  template <int A> static constexpr std::size_t bytes_of = copied<A> ? (static_cast<std::size_t>(rows<A> * Width) * sizeof(T) + 63) / 64 * 64 : 0;
  static constexpr std::size_t bytes = (std::size_t{0} + ... + bytes_of<K>);

  launch_context const& ctx;
  std::byte* copies;

  template <int A> T* copy() const { return reinterpret_cast<T*>(copies + (std::size_t{0} + ... + (K < A ? bytes_of<K> : 0))); }
  template <int A> FORMWORK_INLINE attend_rows<T> heads() const {
    constexpr long tokens = strides<A>::extent(1), count = strides<A>::extent(2);
    if constexpr (copied<A>) return {copy<A>(), tokens * count * Width, Width, count * Width};
    else return {static_cast<T*>(ctx.arguments[A]), strides<A>::stride(0), strides<A>::stride(2), strides<A>::stride(1)};
  }
  template <int A> FORMWORK_INLINE attend_rows<const T> operand() const {
    attend_rows<T> h = heads<A>();
    return {h.data, h.batch, h.head, h.token};
  }

  void copy_operands() const { (copy_one<K, false>(), ...); }
  void copy_results() const { (copy_one<K, true>(), ...); }

 private:
  template <int A, bool Result> void copy_one() const {
    if constexpr (copied<A> && argument<A>::write == Result)
      parallel_ranges(rows<A>, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
        constexpr int lanes = native_width<T>;
        for (std::ptrdiff_t r = begin; r < end; ++r) {
          stored<A>* p = static_cast<stored<A>*>(ctx.arguments[A]) + strides<A>::offset(r);
          T* q = copy<A>() + r * Width;
          for (int d = 0; d < Width; d += lanes) {
            const int count = std::min(lanes, Width - d);
            if constexpr (Result) store_as<stored<A>>(p + d, pack<T, lanes>::load(q + d, count), count);
            else load_as<T>(p + d, count).store(q + d, count);
          }
        }
      });
  }
};

}  // namespace detail

template <class Query, class Key, int Score, int Mask, dtype Type, class Arguments, class Tape>
struct execute<attend_kernel<Query, Key, Score, Mask, Type, Arguments, Tape>> {
  using T = std::conditional_t<Type == dtype::f64, double, float>;
  using problem = typename detail::attend_types<Query, Key>::problem;
  using score = score_tape<T, Score, -1, Mask, Arguments, Tape>;
  using heads = detail::head_arguments<T, Arguments, problem::width, 0, 1, 2, 3>;
  static constexpr std::size_t scratch_bytes = heads::bytes;

  FORMWORK_HIDDEN static void run(launch_context const& ctx) {
    const heads h{ctx, static_cast<std::byte*>(ctx.scratch)};
    h.copy_operands();
    attend_inputs<T> in{h.template operand<0>(), h.template operand<1>(), h.template operand<2>()};
    attend_forward<T, problem>(in, h.template heads<3>(), static_cast<T*>(ctx.arguments[4]), score(ctx));
    h.copy_results();
  }
};

template <class Query, class Key, int Score, int Derivative, int Mask, dtype Type, class Arguments, class Tape>
struct execute<attend_backward_kernel<Query, Key, Score, Derivative, Mask, Type, Arguments, Tape>> {
  using T = std::conditional_t<Type == dtype::f64, double, float>;
  using problem = typename detail::attend_types<Query, Key>::problem;
  using score = score_tape<T, Score, Derivative, Mask, Arguments, Tape>;
  using heads = detail::head_arguments<T, Arguments, problem::width, 0, 1, 2, 3, 5, 6, 7, 8>;
  static constexpr std::size_t accumulator_bytes = (attend_backward_scratch_bytes<T, problem, score> + 63) / 64 * 64;
  static constexpr std::size_t scratch_bytes = accumulator_bytes + heads::bytes;

  FORMWORK_HIDDEN static void run(launch_context const& ctx) {
    const heads h{ctx, static_cast<std::byte*>(ctx.scratch) + accumulator_bytes};
    h.copy_operands();
    attend_inputs<T> in{h.template operand<0>(), h.template operand<1>(), h.template operand<2>()};
    attend_gradients<T> out{h.template heads<6>(), h.template heads<7>(), h.template heads<8>()};
    attend_backward<T, problem>(in, h.template operand<3>(), static_cast<const T*>(ctx.arguments[4]), h.template operand<5>(), out,
                                score(ctx), ctx.scratch);
    h.copy_results();
  }
};

}  // namespace formwork::cpu
