// A score's tape on the accumulators of a warp, four elements at a time. Slots that depend on the batch and the head alone
// are computed once per head.
#pragma once

#include "../../kernels/score_tape.hpp"
#include "attend_random.hpp"
#include "attend_tile.hpp"

namespace formwork::gpu {

template <class T, int Score, int Derivative, int Mask, class Arguments, class Tape> struct attend_tape;
template <class T, int Score, int Derivative, int Mask, class Arguments, class... I>
struct attend_tape<T, Score, Derivative, Mask, Arguments, tape<I...>> {
  static constexpr int size = sizeof...(I), score = Score, derivative = Derivative, mask = Mask;
  using facts = score_facts<Score, Derivative, Mask, Arguments, tape<I...>>;
  using traits = typename facts::traits;
  static constexpr bool weighs = facts::weight >= 0;
  // A score that is only scaled, z = c q k with c > 0, is scaled in the exponent, and its gradients where they are stored.
  static constexpr bool scales_score = facts::multiple_of(opcode::score, Score) > 0, scales_gradient = facts::multiple_of(opcode::score_gradient, Derivative) != 0;
  static constexpr T score_scale = scales_score ? static_cast<T>(facts::multiple_of(opcode::score, Score)) : T(1);
  static constexpr T gradient_scale = scales_gradient ? static_cast<T>(facts::multiple_of(opcode::score_gradient, Derivative)) : T(1);
  static constexpr bool only_scales = scales_score && scales_gradient && !weighs;
  static constexpr int for_score = scales_score ? 0 : facts::for_score, for_derivative = scales_gradient ? 0 : facts::for_derivative;
  struct head_slots : lane_slots<T, 1, size>, detail::head_randomness<facts::draws != 0> {};
  template <int Width> using slots = lane_slots<T, Width, size>;

  // The slots of one head; `position` is of no meaning to them.
  template <class Lane, int Count> FORMWORK_DEVICE static void set_head(Lane const& lane, head_slots& head, kernel_arguments<Count> const& a, int batch, int number) {
    const T none[1] = {T(0)};
    if constexpr (facts::draws != 0) head.set(*a.random, a.iteration, batch, number);
    run_all<-1, 0, 1>(lane, head, head, none, none, one_position{0, 0}, a.arguments, batch, number, std::make_index_sequence<sizeof...(I)>{});
  }

  // The instructions that `What` needs and `Done` did not.
  template <int What, int Done, int Width, class Lane, class Position>
  FORMWORK_DEVICE static void run(Lane const& lane, head_slots const& head, slots<Width>& here, T const (&s)[Width], T const (&dz)[Width], Position const& at, void* const* arguments) {
    run_all<What, Done, Width>(lane, head, here, s, dz, at, arguments, 0, 0, std::make_index_sequence<sizeof...(I)>{});
  }

  template <class Slots> FORMWORK_DEVICE static bool visible([[maybe_unused]] head_slots const& head, [[maybe_unused]] Slots const& here, [[maybe_unused]] int w) {
    if constexpr (Mask < 0) return true;
    else return value<Mask>(head, here, w);
  }
  template <int S, class Slots> FORMWORK_DEVICE static auto value([[maybe_unused]] head_slots const& head, [[maybe_unused]] Slots const& here, [[maybe_unused]] int w) {
    constexpr slot_class c = class_of(traits::types[S]);
    if constexpr (per_head.at[S]) {
      if constexpr (c == slot_class::floating) return head.f[S][0];
      else if constexpr (c == slot_class::integer) return head.i[S][0];
      else return head.b[S][0];
    } else {
      if constexpr (c == slot_class::floating) return here.f[S][w];
      else if constexpr (c == slot_class::integer) return here.i[S][w];
      else return here.b[S][w];
    }
  }

 private:
  static constexpr typename facts::flags find_per_head() {
    constexpr bool varies[] = {(I::what == opcode::random || I::what == opcode::score || I::what == opcode::score_gradient || I::what == opcode::lookup_gradient ||
                                (I::what == opcode::index && (I::inner == query_axis || I::inner == key_axis)))...};
    constexpr int in[][5] = {{operand_slot<I, 0>(), operand_slot<I, 1>(), operand_slot<I, 2>(), operand_slot<I, 3>(),
                              operand_slot<I, 4>()}...};
    typename facts::flags r{};
    for (int k = 0; k < size; ++k) {
      r.at[k] = !varies[k];
      for (int x : in[k])
        if (x >= 0) r.at[k] = r.at[k] && r.at[x];
    }
    return r;
  }
  static constexpr typename facts::flags per_head = find_per_head();

  template <int What, int Done> static constexpr bool runs(int k) {
    if constexpr (What < 0) return per_head.at[k];
    else return !per_head.at[k] && facts::template needed<What>.at[k] && !facts::template needed<Done>.at[k];
  }

  template <int What, int Done, int Width, class Lane, class Slots, class Position, std::size_t... K>
  FORMWORK_DEVICE static void run_all(Lane const& lane, head_slots const& head, Slots& here, T const (&s)[Width], T const (&dz)[Width], Position const& at, void* const* arguments, int batch, int number, std::index_sequence<K...>) {
    (one<runs<What, Done>(static_cast<int>(K)), I, static_cast<int>(K)>(lane, head, here, s, dz, at, arguments, batch, number), ...);
  }

  template <int K, class Slots, class V> FORMWORK_DEVICE static void set(Slots& here, int w, V v) {
    constexpr slot_class c = class_of(traits::types[K]);
    if constexpr (c == slot_class::floating) here.f[K][w] = static_cast<T>(v);
    else if constexpr (c == slot_class::integer) here.i[K][w] = static_cast<std::int32_t>(v);
    else here.b[K][w] = static_cast<bool>(v);
  }
  template <class N, class Slots, int... J> FORMWORK_DEVICE static auto apply([[maybe_unused]] head_slots const& head, [[maybe_unused]] Slots const& here, [[maybe_unused]] int w, std::integer_sequence<int, J...>) {
    return N::op::value(value<N::template in<J>()>(head, here, w)...);
  }
  template <class N, class Slots, int... A> FORMWORK_DEVICE static std::int32_t place([[maybe_unused]] head_slots const& head, [[maybe_unused]] Slots const& here, [[maybe_unused]] int w, std::integer_sequence<int, A...>) {
    return (0 + ... + facts::template table_term<typename argument_at<Arguments, N::argument>::row, A>(value<N::template in<A>()>(head, here, w)));
  }

  template <bool Runs, class N, int K, int Width, class Lane, class Slots, class Position>
  FORMWORK_DEVICE static void one([[maybe_unused]] Lane const& lane, [[maybe_unused]] head_slots const& head, [[maybe_unused]] Slots& here, [[maybe_unused]] T const (&s)[Width], [[maybe_unused]] T const (&dz)[Width],
                                  [[maybe_unused]] Position const& at, [[maybe_unused]] void* const* arguments, [[maybe_unused]] int batch, [[maybe_unused]] int number) {
    if constexpr (Runs && N::what == opcode::random) {
      detail::draw_pairs(lane, detail::pair_blocks<typename argument_at<Arguments, N::argument>::row>(head, static_cast<std::uint32_t>(N::inner)), at, here.f[K]);
    } else if constexpr (Runs) {
      FORMWORK_UNROLL
      for (int w = 0; w < Width; ++w) {
        if constexpr (N::what == opcode::constant) set<K>(here, w, N::number);
        else if constexpr (N::what == opcode::score) here.f[K][w] = s[w];
        else if constexpr (N::what == opcode::score_gradient) here.f[K][w] = dz[w];
        else if constexpr (N::what == opcode::index) here.i[K][w] = N::inner == batch_axis ? batch : N::inner == head_axis ? number : N::inner == query_axis ? at.query(w) : at.key(w);
        else if constexpr (N::what == opcode::lookup) {
          using a = argument_at<Arguments, N::argument>;
          set<K>(here, w, static_cast<const element_t<a::type>*>(arguments[N::argument])[place<N>(head, here, w, std::make_integer_sequence<int, N::inputs>{})]);
        } else if constexpr (N::what == opcode::map) set<K>(here, w, apply<N>(head, here, w, std::make_integer_sequence<int, N::inputs>{}));
        else if constexpr (N::what == opcode::cast) set<K>(here, w, value<N::template in<0>()>(head, here, w));
      }
    }
  }
};

namespace detail {

// exp(c z - base) for many z and one base.
inline constexpr float log2_e = 1.44269504088896341f;
template <class T> FORMWORK_DEVICE T scaled_base(T base) {
  if constexpr (std::is_same_v<T, float>) return base * log2_e;
  else return base;
}
template <class T, class Lane> FORMWORK_DEVICE T exponential(Lane const& lane, T z, T c, T scaled) {
  if constexpr (std::is_same_v<T, float>) return lane.exp2(math::fma(z, c * log2_e, -scaled));
  else return math::exp(math::fma(z, c, -scaled));
}

// What the rows [row, row_end) see of the block of columns that begins at `column`: 1 all of it, 0 nothing, -1 unknown.
// The arguments say what a mask looks up by batch and head: a length that is known when the kernel runs.
template <class Facts, bool Transposed, int Columns> FORMWORK_DEVICE int visible_state(void* const* arguments, int batch, int head, int row, int row_end, int column, int column_end) {
  const int last = column + Columns < column_end ? column + Columns : column_end;
  return Transposed ? Facts::visible_block(batch, head, column, last, row, row_end, arguments) : Facts::visible_block(batch, head, row, row_end, column, last, arguments);
}
// The first block of columns from `column` on of which something is perhaps visible.
template <class Facts, bool Transposed, int Columns> FORMWORK_DEVICE int next_visible(void* const* arguments, int batch, int head, int row, int row_end, int column, int column_end) {
  while (column < column_end && visible_state<Facts, Transposed, Columns>(arguments, batch, head, row, row_end, column, column_end) == 0) column += Columns;
  return column;
}

}  // namespace detail

}  // namespace formwork::gpu
