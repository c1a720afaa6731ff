// The element-level instructions of a tape on the elements that one thread holds: Chunks runs of Vector neighbours.
// Everything is indexed by constants, so that slots are registers.
#pragma once

#include "../../kernels/tape_row.hpp"
#include "execute.hpp"
#include "tape_stages.hpp"

namespace formwork::gpu {

// Chunk k of a thread: the columns first + k step, ..., + Vector - 1, as far as they are below `end`.
template <int Chunks, int Vector> struct lane_columns {
  static constexpr int chunks = Chunks, vector = Vector, width = Chunks * Vector;
  long first, step, end;
  FORMWORK_DEVICE long of(int chunk) const { return first + chunk * step; }
  FORMWORK_DEVICE bool whole(int chunk) const { return of(chunk) + Vector <= end; }
  FORMWORK_DEVICE bool holds(int w) const { return of(w / Vector) + w % Vector < end; }
};

template <class T, int Width, int Size> struct lane_slots {
  T f[Size][Width];
  std::int32_t i[Size][Width];
  bool b[Size][Width];
};

// The instructions that read memory, those after them, or both.
enum class tape_part { all, loads, after_loads };

namespace detail {

struct no_reductions {
  template <class N, int K, class V, class Columns> FORMWORK_DEVICE void accumulate(V const&, Columns const&) {}
  template <class N, class V, class Columns> FORMWORK_DEVICE void recall(V&, Columns const&) {}
};

template <class Address> constexpr bool strides_divide(long elements) {
  for (int i = 0; i < Address::rank; ++i)
    if (Address::stride(i) % elements != 0) return false;
  return true;
}

// Neighbours in a row are neighbours in memory. Only columns of one axis can be: axes that follow each other are one.
template <class Argument> constexpr bool columns_are_contiguous() {
  if constexpr (Argument::column::rank == 1) return Argument::column::stride(0) == 1;
  else return false;
}

// Bytes that one instruction may move of an argument whose columns a thread takes Vector at a time; 0: element by element.
template <class Argument, int Vector> constexpr int vector_bytes() {
  constexpr int size = static_cast<int>(size_of(Argument::type));
  if (!columns_are_contiguous<Argument>()) return 0;
  int bytes = Vector * size < 16 ? Vector * size : 16;
  while (bytes > size && (Argument::alignment % bytes != 0 || !strides_divide<typename Argument::row>(bytes / size))) bytes /= 2;
  return bytes > size ? bytes : 0;
}

template <int Bytes> struct [[gnu::may_alias]] alignas(Bytes) raw { std::uint32_t word[Bytes / 4]; };
template <> struct [[gnu::may_alias]] alignas(2) raw<2> { std::uint16_t word[1]; };

// Count elements at p, which `Bytes`-wide instructions can reach.
template <int Bytes, class Stored, class Value, int Count> FORMWORK_DEVICE void load_run(Value (&to)[Count], int begin, const Stored* p, int count) {
  constexpr int per = Bytes / static_cast<int>(sizeof(Stored));
  FORMWORK_UNROLL
  for (int k = 0; k < count / per; ++k) {
    union { raw<Bytes> bits; Stored element[per]; } u{*reinterpret_cast<const raw<Bytes>*>(p + k * per)};
    FORMWORK_UNROLL
    for (int e = 0; e < per; ++e) to[begin + k * per + e] = static_cast<Value>(u.element[e]);
  }
}

}  // namespace detail

template <class T, class Arguments, class Tape> struct element_runner;
template <class T, class Arguments, class... I> struct element_runner<T, Arguments, tape<I...>> {
  using rows = row_runner<T, Arguments, tape<I...>>;
  using traits = typename rows::traits;
  using row_t = typename rows::row_t;
  using pointers = typename rows::pointers;
  static constexpr int size = rows::size;
  template <class Columns> using slots = lane_slots<T, Columns::width, size>;

  // The widest vector that suits the tape's arguments: 16 bytes of the largest of those that lie in rows; less where rows
  // end inside of one, unless all of those can be reached that wide.
  static constexpr int natural_vector(long columns) { return vector_for(columns, static_cast<Arguments*>(nullptr), std::make_integer_sequence<int, Arguments::size>{}); }

  // Instructions of a stage. Kept: slots live from stage to stage, so that each instruction runs in its first stage
  // only; else as streamed_tape says. Extras: accumulate<N, K>(values, columns) for reductions, and for keep; recall<N>(values, columns).
  template <int Stage, bool Kept, tape_part Part = tape_part::all, class Context, class Columns, class Extras>
  FORMWORK_DEVICE static void run(Context const& ctx, row_t const& row, slots<Columns>& here, pointers const& p, Columns const& at, Extras& extras) {
    if constexpr (Kept) run_all<Kept>(ctx, row, here, p, at, extras, slots_where<runs<I>(Stage, Part)...>{});
    else run_all<Kept>(ctx, row, here, p, at, extras, typename detail::streamed_tape<tape<I...>>::template slots<Stage>::type{});
  }

  template <int S, class Slots> FORMWORK_DEVICE static auto value(row_t const& row, Slots const& here, int w) {
    constexpr bool is_row = traits::levels[S] == level::row;
    constexpr slot_class c = class_of(traits::types[S]);
    if constexpr (is_row) return row_value<traits, S>(row);
    else if constexpr (c == slot_class::floating) return here.f[S][w];
    else if constexpr (c == slot_class::integer) return here.i[S][w];
    else return here.b[S][w];
  }

 private:
  // Not a virtual array, as of coordinates, nor a sum down the columns.
  static constexpr bool moves_rows(opcode what) { return what == opcode::load || what == opcode::gather || what == opcode::store || what == opcode::place; }
  template <class A, int Number> static constexpr bool in_rows = detail::columns_are_contiguous<A>() && (false || ... || (I::argument == Number && moves_rows(I::what)));
  template <class... A, int... Number> static constexpr int vector_for(long columns, tape_arguments<A...>*, std::integer_sequence<int, Number...>) {
    int largest = 0, v = 16;
    ((largest = in_rows<A, Number> && static_cast<int>(size_of(A::type)) > largest ? static_cast<int>(size_of(A::type)) : largest), ...);
    v = largest == 0 ? 1 : 16 / largest;
    while (v > 1 && columns % v != 0 && !(... && (!in_rows<A, Number> || reaches<A>(v)))) v /= 2;
    return v;
  }
  template <class A> static constexpr bool reaches(int vector) {
    const int size = static_cast<int>(size_of(A::type));
    return A::alignment % (vector * size) == 0 && detail::strides_divide<typename A::row>(vector);
  }

  template <bool Kept, class Context, class Columns, class Extras, int... K>
  FORMWORK_DEVICE static void run_all(Context const& ctx, row_t const& row, slots<Columns>& here, pointers const& p, Columns const& at, Extras& extras, std::integer_sequence<int, K...>) {
    (one<Kept, typename traits::template instruction<K>, K>(ctx, row, here, p, at, extras), ...);
  }

  template <class N> static constexpr bool runs(int stage, tape_part part) {
    if (N::at == level::row && !is_row_reduction(N::what) && !is_column_reduction(N::what)) return false;
    if (part != tape_part::all && (N::what == opcode::load || N::what == opcode::gather) != (part == tape_part::loads)) return false;
    return (N::evaluated >> stage & 1u) != 0 && (N::evaluated & ((1u << stage) - 1u)) == 0;  // its first stage
  }

  template <class N, class Slots, int... J> FORMWORK_DEVICE static auto apply(row_t const& row, Slots const& here, int w, std::integer_sequence<int, J...>) {
    return N::op::value(value<N::template in<J>()>(row, here, w)...);
  }
  template <int K, slot_class C, class Slots, class V> FORMWORK_DEVICE static void set(Slots& here, int w, V v) {
    if constexpr (C == slot_class::floating) here.f[K][w] = static_cast<T>(v);
    else if constexpr (C == slot_class::integer) here.i[K][w] = static_cast<std::int32_t>(v);
    else here.b[K][w] = static_cast<bool>(v);
  }

  template <bool Kept, class N, int K, class Context, class Columns, class Extras>
  FORMWORK_DEVICE static void one([[maybe_unused]] Context const& ctx, row_t const& row, slots<Columns>& here, pointers const& p, Columns const& at, [[maybe_unused]] Extras& extras) {
    constexpr bool reduction = is_row_reduction(N::what) || is_column_reduction(N::what);
    constexpr slot_class c = class_of(N::type);
    if constexpr (N::what == opcode::load || N::what == opcode::gather) {
      if constexpr (c == slot_class::floating) load<N>(here.f[K], p, at);
      else if constexpr (c == slot_class::integer) load<N>(here.i[K], p, at);
      else load<N>(here.b[K], p, at);
    } else if constexpr (N::what == opcode::index) {
      using number = offset_type<argument_at<Arguments, N::argument>>;
      FORMWORK_UNROLL
      for (int w = 0; w < Columns::width; ++w) here.i[K][w] = static_cast<std::int32_t>(coordinate_of<N, Arguments>(static_cast<number>(p.offset[N::argument] + offset_of<N>(at, w))));
    } else if constexpr (N::what == opcode::random) {
      random<N>(ctx, here.f[K], p, at);
    } else if constexpr (N::what == opcode::map) {
      FORMWORK_UNROLL
      for (int w = 0; w < Columns::width; ++w) set<K, c>(here, w, apply<N>(row, here, w, std::make_integer_sequence<int, N::inputs>{}));
    } else if constexpr (N::what == opcode::cast) {
      FORMWORK_UNROLL
      for (int w = 0; w < Columns::width; ++w) set<K, c>(here, w, value<N::template in<0>()>(row, here, w));
    } else if constexpr (N::what == opcode::store || N::what == opcode::place) {
      if (N::what == opcode::place && !p.data[N::argument]) return;
      store<N>(row, here, p, at);
    } else if constexpr (reduction || (N::what == opcode::keep && !Kept)) {
      constexpr int from = reduced_slot<Kept, N, K>();
      T v[Columns::width];
      FORMWORK_UNROLL
      for (int w = 0; w < Columns::width; ++w) v[w] = static_cast<T>(value<from>(row, here, w));
      extras.template accumulate<N, K>(v, at);
    } else if constexpr (N::what == opcode::recall && !Kept) {
      extras.template recall<N>(here.f[N::template in<0>()], at);
    }
  }

  // What a reduction is given: its operand; of a sum beside a maximum what the maximum is given.
  template <bool Kept, class N, int K> static constexpr int reduced_slot() {
    if constexpr (Kept) return N::template in<0>();
    else {
      constexpr int m = detail::streamed_tape<tape<I...>>::value.maximum[K];
      if constexpr (m >= 0) return traits::template instruction<m>::template in<0>();
      else return N::template in<0>();
    }
  }
  template <class N, class Columns> FORMWORK_DEVICE static long offset_of(Columns const& at, int w) {
    return argument_at<Arguments, N::argument>::column::offset(at.of(w / Columns::vector) + w % Columns::vector);
  }

  template <class N, class V, class Columns> FORMWORK_DEVICE static void load(V (&to)[Columns::width], pointers const& p, Columns const& at) {
    using a = argument_at<Arguments, N::argument>;
    using stored = element_t<a::type>;
    const stored* q = reinterpret_cast<const stored*>(p.data[N::argument]);
    constexpr int bytes = detail::vector_bytes<a, Columns::vector>();
    FORMWORK_UNROLL
    for (int k = 0; k < Columns::chunks; ++k) {
      if constexpr (bytes > 0) {
        if (at.whole(k)) {
          detail::load_run<bytes>(to, k * Columns::vector, q + at.of(k), Columns::vector);
          continue;
        }
      }
      FORMWORK_UNROLL
      for (int v = 0; v < Columns::vector; ++v) {
        const int w = k * Columns::vector + v;
        to[w] = at.holds(w) ? static_cast<V>(q[offset_of<N>(at, w)]) : V(0);
      }
    }
  }

  template <class N, class Slots, class Columns> FORMWORK_DEVICE static void store(row_t const& row, Slots const& here, pointers const& p, Columns const& at) {
    using a = argument_at<Arguments, N::argument>;
    using stored = element_t<a::type>;
    stored* q = reinterpret_cast<stored*>(p.data[N::argument]);
    constexpr int bytes = detail::vector_bytes<a, Columns::vector>();
    FORMWORK_UNROLL
    for (int k = 0; k < Columns::chunks; ++k) {
      if constexpr (bytes > 0) {
        if (at.whole(k)) {
          constexpr int per = bytes / static_cast<int>(sizeof(stored));
          FORMWORK_UNROLL
          for (int r = 0; r < Columns::vector / per; ++r) {
            union { detail::raw<bytes> bits; stored element[per]; } u{};
            FORMWORK_UNROLL
            for (int e = 0; e < per; ++e) u.element[e] = static_cast<stored>(value<N::template in<0>()>(row, here, k * Columns::vector + r * per + e));
            *reinterpret_cast<detail::raw<bytes>*>(q + at.of(k) + r * per) = u.bits;
          }
          continue;
        }
      }
      FORMWORK_UNROLL
      for (int v = 0; v < Columns::vector; ++v) {
        const int w = k * Columns::vector + v;
        if (at.holds(w)) q[offset_of<N>(at, w)] = static_cast<stored>(value<N::template in<0>()>(row, here, w));
      }
    }
  }

  // Four neighbours share one block of random bits.
  template <class N, class Context, class Columns> FORMWORK_DEVICE static void random(Context const& ctx, T (&to)[Columns::width], pointers const& p, Columns const& at) {
    using a = argument_at<Arguments, N::argument>;
    const std::uint64_t seed = ctx.random->seed, stream = random_stream(ctx.random->step, static_cast<std::uint32_t>(N::inner), ctx.iteration);
    constexpr bool blocks = detail::columns_are_contiguous<a>() && Columns::vector % 4 == 0 && a::first % 4 == 0 && detail::strides_divide<typename a::row>(4);
    FORMWORK_UNROLL
    for (int k = 0; k < Columns::chunks; ++k) {
      const std::uint64_t first = static_cast<std::uint64_t>(p.offset[N::argument] + (blocks ? at.of(k) : 0));
      if constexpr (blocks) {
        FORMWORK_UNROLL
        for (int v = 0; v < Columns::vector; v += 4) {
          const philox::block x = philox::block_of(seed, stream, (first + static_cast<std::uint64_t>(v)) / 4);
          FORMWORK_UNROLL
          for (int e = 0; e < 4; ++e) to[k * Columns::vector + v + e] = static_cast<T>(philox::to_uniform(x.word[e]));
        }
      } else {
        FORMWORK_UNROLL
        for (int v = 0; v < Columns::vector; ++v)
          to[k * Columns::vector + v] = static_cast<T>(philox::uniform(seed, stream, first + static_cast<std::uint64_t>(offset_of<N>(at, k * Columns::vector + v))));
      }
    }
  }
};

}  // namespace formwork::gpu
