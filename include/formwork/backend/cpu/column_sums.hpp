// Sums down the columns on the CPU: fixed runs of rows leave partial sums, which are added in their order.
#pragma once

#include <limits>

#include "tape_run.hpp"
#include "threads.hpp"

namespace formwork::cpu::detail {

// Work below this many elements is not worth waking a thread for.
inline constexpr long serial_elements = 16 * 1024;

template <class T, class N> FORMWORK_INLINE constexpr T neutral() {
  if constexpr (is_maximum(N::what)) return -std::numeric_limits<T>::infinity();
  else return T(0);
}
template <class N, class V> FORMWORK_INLINE V combine(V a, V b) {
  if constexpr (is_maximum(N::what)) {
    using math::max;
    return max(a, b);
  } else return a + b;
}

// Partial sums: [run][ordinal][padded].
template <class T, long Columns, class Arguments, class Tape> struct column_sums {
  using slots = typename column_results<Tape>::slots;
  static constexpr int width = native_width<T>, results = column_results<Tape>::count;
  static constexpr long padded = round_up(Columns, width);
  static constexpr std::size_t bytes = static_cast<std::size_t>(results * padded) * sizeof(T);  // of one run
  using lanes = pack<T, width>;
  template <int K> static constexpr int ordinal() { return column_results<Tape>::template ordinal<K>(); }

  // f<instruction, slot>() for each of them.
  template <class F> FORMWORK_INLINE static void each(F const& f) { each_of(f, slots{}); }

  template <class N, bool Full> FORMWORK_INLINE static void store(launch_context const& ctx, std::ptrdiff_t c, int count, lanes v) {
    using a = argument_at<Arguments, N::argument>;
    store_columns<typename a::column, Full>(static_cast<formwork::element_t<a::type>*>(ctx.arguments[N::argument]), c, count, v);
  }

  static void finish(launch_context const& ctx, const T* partial, long runs) {
    constexpr long vectors = (Columns + width - 1) / width;
    auto part = [&](std::ptrdiff_t b, std::ptrdiff_t e) {
      each([&]<class N, int K>() FORMWORK_INLINE_LAMBDA {
        for (std::ptrdiff_t v = b; v < e; ++v) {
          const T* p = partial + ordinal<K>() * padded + v * width;
          lanes s = lanes::load(p);
          for (long r = 1; r < runs; ++r) s = combine<N>(s, lanes::load(p + r * results * padded));
          if ((v + 1) * width <= Columns) store<N, true>(ctx, v * width, width, s);
          else store<N, false>(ctx, v * width, static_cast<int>(Columns - v * width), s);
        }
      });
    };
    if (runs * results * Columns < serial_elements) part(0, vectors);
    else parallel_ranges(vectors, part);
  }

 private:
  template <class F, int... K> FORMWORK_INLINE static void each_of(F const& f, std::integer_sequence<int, K...>) {
    (f.template operator()<typename tape_traits<Tape>::template instruction<K>, K>(), ...);
  }
};

}  // namespace formwork::cpu::detail
