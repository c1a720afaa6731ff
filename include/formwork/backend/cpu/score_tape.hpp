// A score's tape as the score object of the `attend` skeleton: value, mask, derivative and gradients of tables on packs.
#pragma once

#include "../../kernels/score_tape.hpp"
#include "attend_score.hpp"
#include "pair_random.hpp"
#include "tape_run.hpp"

namespace formwork::cpu {

namespace detail {

template <class T, std::size_t Elements> struct table_sums { T sum[Elements]; };
template <class T> struct table_sums<T, 0> { static constexpr T* sum = nullptr; };

// What random numbers are made from, where a score draws any.
template <bool Draws> struct score_randomness {
  explicit score_randomness(launch_context const& c) : random(*c.random), iteration(c.iteration) {}
  random_state random;
  std::uint32_t iteration;
};
template <> struct score_randomness<false> { explicit score_randomness(launch_context const&) {} };
template <int Width, int Draws> struct score_random_blocks { random_blocks<Width> of[Draws]; };
template <int Width> struct score_random_blocks<Width, 0> {};

}  // namespace detail

// Slots of the tape: Score is z, Derivative its adjoint ds (or -1), Mask the visibility (or -1: everything).
template <class T, int Score, int Derivative, int Mask, class Arguments, class Tape> struct score_tape;
template <class T, int Score, int Derivative, int Mask, class Arguments, class... I>
struct score_tape<T, Score, Derivative, Mask, Arguments, tape<I...>>
    : detail::score_randomness<score_facts<Score, Derivative, Mask, Arguments, tape<I...>>::draws != 0> {
  static constexpr int size = sizeof...(I);
  static constexpr int width = native_width<T>;
  using facts = score_facts<Score, Derivative, Mask, Arguments, tape<I...>>;
  using traits = typename facts::traits;
  using lanes = pack<T, width>;
  using integers = pack<std::int32_t, width>;
  using slots = element_slots<T, width, size>;
  using no_rows = row_slots<T, size>;

  void* const* arguments;

  explicit score_tape(launch_context const& c) : detail::score_randomness<facts::draws != 0>(c), arguments(c.arguments) {}

  using accumulators = detail::table_sums<T, facts::gradient_elements>;
  using drawn = detail::score_random_blocks<width, facts::draws>;
  static constexpr bool weighs = facts::weight >= 0;

  template <class At> FORMWORK_INLINE lanes value(lanes s, At at, int count) const {
    slots here;
    drawn random;
    run<facts::for_score>(here, s, lanes(T(0)), at, count, static_cast<accumulators*>(nullptr), random);
    return here.f[Score];
  }

  template <class At> FORMWORK_INLINE lanes weight(At at, int count, drawn& random) const {
    slots here;
    run<facts::for_weight>(here, lanes(T(0)), lanes(T(0)), at, count, static_cast<accumulators*>(nullptr), random);
    return here.f[facts::weight];
  }

  template <int Width, class At> FORMWORK_INLINE mask<T, Width> visible(At at, int count) const {
    static_assert(Width == width);
    if constexpr (Mask < 0) return mask<T, Width>::all(true);
    else {
      slots here;
      drawn random;
      run<facts::for_mask>(here, lanes(T(0)), lanes(T(0)), at, count, static_cast<accumulators*>(nullptr), random);
      return here.b[Mask];
    }
  }

  template <class At> FORMWORK_INLINE lanes derivative(lanes s, lanes, lanes dz, At at, int count, accumulators& sums) const {
    slots here;
    drawn random;
    run<facts::for_derivative + facts::for_tables>(here, s, dz, at, count, &sums, random);
    return here.f[Derivative];
  }

  void finish(const accumulators* first, int count) const {
    if constexpr (!std::is_empty_v<accumulators>) each([&]<class N, int K>() FORMWORK_INLINE_LAMBDA {
      if constexpr (N::what == opcode::lookup_gradient) {
        using address = typename argument_at<Arguments, N::argument>::row;
        using stored = formwork::element_t<argument_at<Arguments, N::argument>::type>;
        stored* out = static_cast<stored*>(arguments[N::argument]);
        for (std::size_t e = 0; e < facts::template table_elements<N>(); ++e) {
          T total = 0;
          for (int i = 0; i < count; ++i) total += first[i].sum[facts::table_offset(K) + e];
          out[address::offset(static_cast<long>(e))] = static_cast<stored>(total);
        }
      }
    });
  }

  int visible_block(std::ptrdiff_t batch, std::ptrdiff_t head, std::ptrdiff_t q0, std::ptrdiff_t q1, std::ptrdiff_t k0, std::ptrdiff_t k1) const {
    return facts::visible_block(batch, head, q0, q1, k0, k1, arguments);
  }

 private:
  template <class F> FORMWORK_INLINE static void each(F const& f) {
    [&]<std::size_t... K>(std::index_sequence<K...>) FORMWORK_INLINE_LAMBDA {
      (f.template operator()<I, static_cast<int>(K)>(), ...);
    }(std::make_index_sequence<sizeof...(I)>{});
  }

  template <class N, int... J> FORMWORK_INLINE static auto apply(slots const& here, std::integer_sequence<int, J...>) {
    no_rows none;
    return N::op::value(element_value<traits, N::template in<J>(), class_of(N::type)>(none, here)...);
  }

  // The element of a table at the slots in[First...], clamped to the table.
  template <class N, int First> FORMWORK_INLINE integers place_in_table(slots const& here) const {
    using address = typename argument_at<Arguments, N::argument>::row;
    integers offset(0);
    [&]<int... A>(std::integer_sequence<int, A...>) FORMWORK_INLINE_LAMBDA {
      ((offset = offset + facts::template table_term<address, A>(here.i[N::template in<First + A>()])), ...);
    }(std::make_integer_sequence<int, N::inputs - First>{});
    return offset;
  }

  static constexpr bool is_random(opcode o) { return o == opcode::random; }
  template <class N, int K, class At> FORMWORK_INLINE lanes draw(At at, drawn& random) const {
    using pairs = typename argument_at<Arguments, N::argument>::row;
    constexpr long step = At::query_step * pairs::stride(2) + At::key_step * pairs::stride(3);
    const auto first = static_cast<std::uint64_t>(at.batch * pairs::stride(0) + at.head * pairs::stride(1) + at.query * pairs::stride(2) + at.key);
    return random_uniform_apart<T, step>(this->random.seed, random_stream(this->random.step, static_cast<std::uint32_t>(N::inner), this->iteration), first,
                                         random.of[traits::count_before(K, is_random)]);
  }

  template <int What, class At>
  [[gnu::flatten]] FORMWORK_INLINE void run(slots& here, lanes s, lanes dz, At at, [[maybe_unused]] int count, [[maybe_unused]] accumulators* sums, [[maybe_unused]] drawn& random) const {
    each([&]<class N, int K>() FORMWORK_INLINE_LAMBDA {
      if constexpr (facts::template needed<What>.at[K]) {
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
        } else if constexpr (N::what == opcode::random) {
          here.f[K] = draw<N, K>(at, random);
        } else if constexpr (N::what == opcode::lookup) {
          using a = argument_at<Arguments, N::argument>;
          const auto* base = static_cast<const formwork::element_t<a::type>*>(arguments[N::argument]);
          const integers offset = place_in_table<N, 0>(here);
          if constexpr (class_of(N::type) == slot_class::floating) here.f[K] = gather_as<T>(base, offset);
          else if constexpr (class_of(N::type) == slot_class::integer) here.i[K] = gather(base, offset, width);
        } else if constexpr (N::what == opcode::lookup_gradient) {
          const integers offset = place_in_table<N, 1>(here);
          const lanes v = here.f[N::template in<0>()];
          T* table = sums->sum + facts::table_offset(K);
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
