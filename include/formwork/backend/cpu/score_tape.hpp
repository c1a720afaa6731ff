// A score's tape as the score object of the `attend` skeleton: value, mask, derivative, gradients of tables, and the
// mask on whole blocks by interval arithmetic.
#pragma once

#include "../../core/interval.hpp"
#include "../../ops/add.hpp"
#include "../../ops/equal.hpp"
#include "../../ops/greater.hpp"
#include "../../ops/greater_equal.hpp"
#include "../../ops/less.hpp"
#include "../../ops/less_equal.hpp"
#include "../../ops/logical_and.hpp"
#include "../../ops/logical_not.hpp"
#include "../../ops/logical_or.hpp"
#include "../../ops/multiply.hpp"
#include "../../ops/negate.hpp"
#include "../../ops/not_equal.hpp"
#include "../../ops/subtract.hpp"
#include "attend_score.hpp"
#include "tape_run.hpp"

namespace formwork::cpu {

namespace detail {

template <class Op, class... List> inline constexpr bool is_one_of = (std::is_same_v<Op, List> || ...);
template <class Op>
inline constexpr bool works_on_intervals =
    is_one_of<Op, ops::add, ops::subtract, ops::multiply, ops::negate, ops::equal, ops::not_equal, ops::less, ops::less_equal,
              ops::greater, ops::greater_equal, ops::logical_and, ops::logical_or, ops::logical_not>;

template <class T, std::size_t Elements> struct table_sums { T sum[Elements]; };
template <class T> struct table_sums<T, 0> { static constexpr T* sum = nullptr; };

}  // namespace detail

// Slots of the tape: Score is z, Derivative its adjoint ds (or -1), Mask the visibility (or -1: everything).
template <class T, int Score, int Derivative, int Mask, class Arguments, class Tape> struct score_tape;
template <class T, int Score, int Derivative, int Mask, class Arguments, class... I>
struct score_tape<T, Score, Derivative, Mask, Arguments, tape<I...>> {
  static constexpr int size = sizeof...(I);
  static constexpr int width = native_width<T>;
  using traits = tape_traits<tape<I...>>;
  using lanes = pack<T, width>;
  using integers = pack<std::int32_t, width>;
  using slots = element_slots<T, width, size>;
  using no_rows = row_slots<T, size>;

  void* const* arguments;

  // Elements of the tables with a gradient, one after the other.
  template <int K> static constexpr std::size_t table_offset() {
    constexpr opcode what[] = {I::what...};
    constexpr std::size_t sizes[] = {elements_of<I>()...};
    std::size_t n = 0;
    for (int k = 0; k < K; ++k)
      if (what[k] == opcode::lookup_gradient) n += sizes[k];
    return n;
  }
  template <class N> static constexpr std::size_t elements_of() {
    if constexpr (N::what == opcode::lookup_gradient) {
      using address = argument_at<Arguments, N::argument>::row;
      std::size_t n = 1;
      for (int i = 0; i < address::rank; ++i) n *= static_cast<std::size_t>(address::extent(i));
      return n;
    } else {
      return 0;
    }
  }
  using accumulators = detail::table_sums<T, (0 + ... + elements_of<I>())>;

  template <class At> FORMWORK_INLINE lanes value(lanes s, At at, int count) const {
    slots here;
    run<reaching<Score>>(here, s, lanes(T(0)), at, count, static_cast<accumulators*>(nullptr));
    return here.f[Score];
  }

  template <int Width, class At> FORMWORK_INLINE mask<T, Width> visible(At at, int count) const {
    static_assert(Width == width);
    if constexpr (Mask < 0) return mask<T, Width>::all(true);
    else {
      slots here;
      run<reaching<Mask>>(here, lanes(T(0)), lanes(T(0)), at, count, static_cast<accumulators*>(nullptr));
      return here.b[Mask];
    }
  }

  template <class At> FORMWORK_INLINE lanes derivative(lanes s, lanes, lanes dz, At at, int count, accumulators& sums) const {
    slots here;
    run<derivative_needs>(here, s, dz, at, count, &sums);
    return here.f[Derivative];
  }

  void finish(const accumulators* first, int count) const {
    if constexpr (!std::is_empty_v<accumulators>) each([&]<class N, int K>() FORMWORK_INLINE_LAMBDA {
      if constexpr (N::what == opcode::lookup_gradient) {
        using address = argument_at<Arguments, N::argument>::row;
        T* out = static_cast<T*>(arguments[N::argument]);
        for (std::size_t e = 0; e < elements_of<N>(); ++e) {
          T total = 0;
          for (int i = 0; i < count; ++i) total += first[i].sum[table_offset<K>() + e];
          out[address::offset(static_cast<long>(e))] = total;
        }
      }
    });
  }

  int visible_block(std::ptrdiff_t batch, std::ptrdiff_t head, std::ptrdiff_t q0, std::ptrdiff_t q1, std::ptrdiff_t k0, std::ptrdiff_t k1) const {
    if constexpr (Mask < 0) return 1;
    else {
      const interval axis[] = {{batch, batch}, {head, head}, {q0, q1 - 1}, {k0, k1 - 1}};
      interval number[size];
      maybe truth[size];
      bool known[size];
      each([&]<class N, int K>() FORMWORK_INLINE_LAMBDA {
        known[K] = false;
        if constexpr (reaching<Mask>[K]) {
          if constexpr (N::what == opcode::index) {
            number[K] = axis[N::inner];
            known[K] = true;
          } else if constexpr (N::what == opcode::constant) {
            constexpr long c = static_cast<long>(N::number);
            number[K] = {c, c};
            known[K] = class_of(N::type) == slot_class::integer;
            if (class_of(N::type) == slot_class::boolean) {
              truth[K] = {c != 0, c == 0};
              known[K] = true;
            }
          } else if constexpr (N::what == opcode::map) {
            if constexpr (detail::works_on_intervals<typename N::op>) known[K] = on_blocks<N, K>(number, truth, known, std::make_integer_sequence<int, N::inputs>{});
          }
        }
      });
      if (!known[Mask]) return -1;
      return !truth[Mask].can_fail ? 1 : !truth[Mask].can_hold ? 0 : -1;
    }
  }

 private:
  // The slots that slot S depends on.
  template <int S> static constexpr std::array<bool, size> closure() {
    constexpr int in[][5] = {{I::template in<0>(), I::inputs > 1 ? I::template in<(I::inputs > 1 ? 1 : 0)>() : -1, I::inputs > 2 ? I::template in<(I::inputs > 2 ? 2 : 0)>() : -1,
                              I::inputs > 3 ? I::template in<(I::inputs > 3 ? 3 : 0)>() : -1, I::inputs > 4 ? I::template in<(I::inputs > 4 ? 4 : 0)>() : -1}...};
    std::array<bool, size> need{};
    if (S >= 0) need[static_cast<std::size_t>(S)] = true;
    for (int k = size - 1; k >= 0; --k)
      if (need[static_cast<std::size_t>(k)])
        for (int x : in[k])
          if (x >= 0) need[static_cast<std::size_t>(x)] = true;
    return need;
  }
  template <int S> static constexpr std::array<bool, size> reaching = closure<S>();
  static constexpr std::array<bool, size> join_gradients() {
    std::array<bool, size> need = closure<Derivative>();
    [&]<std::size_t... K>(std::index_sequence<K...>) FORMWORK_INLINE_LAMBDA {
      ([&]() FORMWORK_INLINE_LAMBDA {
        if constexpr (I::what == opcode::lookup_gradient) {
          constexpr std::array<bool, size> more = closure<static_cast<int>(K)>();
          for (int i = 0; i < size; ++i) need[static_cast<std::size_t>(i)] |= more[static_cast<std::size_t>(i)];
        }
      }(), ...);
    }(std::make_index_sequence<sizeof...(I)>{});
    return need;
  }
  static constexpr std::array<bool, size> derivative_needs = join_gradients();

  template <class F> FORMWORK_INLINE static void each(F const& f) {
    [&]<std::size_t... K>(std::index_sequence<K...>) FORMWORK_INLINE_LAMBDA {
      (f.template operator()<I, static_cast<int>(K)>(), ...);
    }(std::make_index_sequence<sizeof...(I)>{});
  }

  template <class N, int K, int... J>
  static bool on_blocks(interval* number, maybe* truth, const bool* known, std::integer_sequence<int, J...>) {
    if (!(known[N::template in<J>()] && ...)) return false;
    constexpr bool on_truths = class_of(traits::types[N::template in<0>()]) == slot_class::boolean;
    auto r = [&]() FORMWORK_INLINE_LAMBDA {
      if constexpr (on_truths) return N::op::value(truth[N::template in<J>()]...);
      else return N::op::value(number[N::template in<J>()]...);
    }();
    if constexpr (std::is_same_v<decltype(r), maybe>) truth[K] = r;
    else number[K] = r;
    return true;
  }

  template <class N, int... J> FORMWORK_INLINE static auto apply(slots const& here, std::integer_sequence<int, J...>) {
    no_rows none;
    return N::op::value(element_value<traits, N::template in<J>(), class_of(N::type)>(none, here)...);
  }

  // The element of a table at the slots in[First...], clamped to the table.
  template <class N, int First> FORMWORK_INLINE integers place_in_table(slots const& here) const {
    using address = argument_at<Arguments, N::argument>::row;
    integers offset(0);
    [&]<int... A>(std::integer_sequence<int, A...>) FORMWORK_INLINE_LAMBDA {
      ([&]() FORMWORK_INLINE_LAMBDA {
        integers i = here.i[N::template in<First + A>()];
        i = max(min(i, integers(static_cast<std::int32_t>(address::extent(A) - 1))), integers(0));
        offset = offset + i * integers(static_cast<std::int32_t>(address::stride(A)));
      }(), ...);
    }(std::make_integer_sequence<int, N::inputs - First>{});
    return offset;
  }

  template <std::array<bool, size> const& Needed, class At>
  [[gnu::flatten]] FORMWORK_INLINE void run(slots& here, lanes s, lanes dz, At at, [[maybe_unused]] int count, [[maybe_unused]] accumulators* sums) const {
    each([&]<class N, int K>() FORMWORK_INLINE_LAMBDA {
      if constexpr (Needed[K]) {
        if constexpr (N::what == opcode::constant) {
          if constexpr (class_of(N::type) == slot_class::floating) here.f[K] = lanes(static_cast<T>(N::number));
          else if constexpr (class_of(N::type) == slot_class::integer) here.i[K] = integers(static_cast<std::int32_t>(N::number));
          else here.b[K] = mask<T, width>::all(N::number != 0);
        } else if constexpr (N::what == opcode::score) {
          here.f[K] = s;
        } else if constexpr (N::what == opcode::score_gradient) {
          here.f[K] = dz;
        } else if constexpr (N::what == opcode::index) {
          if constexpr (N::inner == 0) here.i[K] = integers(static_cast<std::int32_t>(at.batch));
          else if constexpr (N::inner == 1) here.i[K] = integers(static_cast<std::int32_t>(at.head));
          else if constexpr (N::inner == 2) here.i[K] = At::query_step ? integers::iota(static_cast<std::int32_t>(at.query)) : integers(static_cast<std::int32_t>(at.query));
          else here.i[K] = At::key_step ? integers::iota(static_cast<std::int32_t>(at.key)) : integers(static_cast<std::int32_t>(at.key));
        } else if constexpr (N::what == opcode::lookup) {
          using a = argument_at<Arguments, N::argument>;
          const auto* base = static_cast<const formwork::element_t<a::type>*>(arguments[N::argument]);
          const integers offset = place_in_table<N, 0>(here);
          if constexpr (class_of(N::type) == slot_class::floating) here.f[K] = gather(base, offset, width);
          else if constexpr (class_of(N::type) == slot_class::integer) here.i[K] = gather(base, offset, width);
        } else if constexpr (N::what == opcode::lookup_gradient) {
          const integers offset = place_in_table<N, 1>(here);
          const lanes v = here.f[N::template in<0>()];
          T* table = sums->sum + table_offset<K>();
          for (int i = 0; i < width; ++i)
            if (i < count) table[offset[i]] += v[i];
        } else if constexpr (N::what == opcode::map) {
          set_element<K>(here, apply<N>(here, std::make_integer_sequence<int, N::inputs>{}));
        } else if constexpr (N::what == opcode::cast) {
          no_rows none;
          set_element<K>(here, cast_element<class_of(N::type), T, width>(element_value<traits, N::template in<0>(), class_of(N::type)>(none, here)));
        }
      }
    });
  }
};

}  // namespace formwork::cpu
