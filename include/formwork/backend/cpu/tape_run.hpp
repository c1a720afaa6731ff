// Running the element-level instructions of a tape on a vector of neighbours.
#pragma once

#include "tape_memory.hpp"

namespace formwork::cpu {

template <class T, class Arguments, class Tape> struct tape_runner;
template <class T, class Arguments, class... I> struct tape_runner<T, Arguments, tape<I...>> {
  static constexpr int size = sizeof...(I) > 0 ? sizeof...(I) : 1;
  static constexpr int width = native_width<T>;
  using rows = row_runner<T, Arguments, tape<I...>>;
  using traits = typename rows::traits;
  using row_t = typename rows::row_t;
  using element_t = element_slots<T, width, size>;
  using pointers = typename rows::pointers;

  // Element-level instructions of a stage at columns c, ..., c + width - 1 (the first `count` unless Full).
  template <int Stage, bool Full, class Extras>
  FORMWORK_INLINE static void run_elements(launch_context const& ctx, row_t const& row, element_t& here, pointers const& p, std::ptrdiff_t c,
                                           int count, Extras& extras) {
    [&]<std::size_t... K>(std::index_sequence<K...>) FORMWORK_INLINE_LAMBDA {
      (element_step<Stage, Full, I, static_cast<int>(K)>(ctx, row, here, p, c, count, extras), ...);
    }(std::make_index_sequence<sizeof...(I)>{});
  }

  // Names the memory that run_elements<0> will touch from a column on, where it lies in rows.
  template <class Errands> FORMWORK_INLINE static void touch(Errands& errands, void* const* base, std::ptrdiff_t row, std::ptrdiff_t c) {
    ([&]() FORMWORK_INLINE_LAMBDA {
      if constexpr ((I::what == opcode::load || I::what == opcode::store) && I::at == level::element && (I::evaluated & 1u) != 0) {
        using a = argument_at<Arguments, I::argument>;
        if constexpr (a::column::rank == 1 && a::column::stride(0) == 1 && furthest<typename a::row>() > 0) {
          const char* p = static_cast<char*>(base[I::argument]) + (a::row::offset(row) + c) * static_cast<std::ptrdiff_t>(size_of(a::type));
          if constexpr (I::what == opcode::store) errands.ask_to_write(p);
          else errands.ask_to_read(p);
        }
      }
    }(), ...);
  }

 private:
  template <dtype D> using element_t_of = formwork::element_t<D>;

  template <class N, int... J>
  FORMWORK_INLINE static auto apply_element(row_t const& row, element_t const& here, std::integer_sequence<int, J...>) {
    // A comparison's own operands are of one class; a select's condition takes the lanes of what it selects.
    return N::op::value(element_value<traits, N::template in<J>(), class_of(N::type)>(row, here)...);
  }

  template <int Stage, bool Full, class N, int K, class Extras>
  FORMWORK_INLINE static void element_step([[maybe_unused]] launch_context const& ctx, row_t const& row, element_t& here, pointers const& p,
                                           std::ptrdiff_t c, [[maybe_unused]] int count, Extras& extras) {
    constexpr bool reduction = N::what == opcode::reduce_sum || N::what == opcode::reduce_maximum || N::what == opcode::column_sum || N::what == opcode::column_maximum;
    if constexpr ((N::at != level::row || reduction) && ((N::evaluated >> Stage) & 1u) != 0) {
      if constexpr (N::what == opcode::load || N::what == opcode::gather) {
        using a = argument_at<Arguments, N::argument>;
        using stored = element_t_of<a::type>;
        const stored* q = reinterpret_cast<const stored*>(p.data[N::argument]);
        if constexpr (class_of(N::type) == slot_class::floating) here.f[K] = load_columns<typename a::column, Full, T, width>(q, c, count);
        else if constexpr (class_of(N::type) == slot_class::integer) here.i[K] = load_columns<typename a::column, Full, std::int32_t, width>(q, c, count);
        else here.b[K] = load_booleans<typename a::column, Full, T, width>(q, c, count);
      } else if constexpr (N::what == opcode::index) {
        using a = argument_at<Arguments, N::argument>;
        if constexpr (std::is_same_v<offset_type<a>, std::int32_t>) here.i[K] = coordinate_of<N, Arguments>(column_offsets<typename a::column, width>(p.offset[N::argument], c));
        else
          for (int i = 0; i < width; ++i) here.i[K].v[i] = static_cast<std::int32_t>(coordinate_of<N, Arguments>(static_cast<std::int64_t>(p.offset[N::argument] + a::column::offset(c + i))));
      } else if constexpr (N::what == opcode::random) {
        using a = argument_at<Arguments, N::argument>;
        const std::uint64_t stream = random_stream(ctx.random->step, static_cast<std::uint32_t>(N::inner), ctx.iteration);
        if constexpr (a::column::rank == 1 && a::column::stride(0) == 1) {
          if constexpr (std::is_same_v<T, float>) here.f[K] = random_uniform<width>(ctx.random->seed, stream, static_cast<std::uint64_t>(p.offset[N::argument] + c));
          else
            for (int i = 0; i < width; ++i) here.f[K].v[i] = philox::uniform(ctx.random->seed, stream, static_cast<std::uint64_t>(p.offset[N::argument] + c + i));
        } else {
          for (int i = 0; i < width; ++i) here.f[K].v[i] = philox::uniform(ctx.random->seed, stream, static_cast<std::uint64_t>(p.offset[N::argument] + a::column::offset(c + i)));
        }
      } else if constexpr (N::what == opcode::map) {
        set_element<K>(here, apply_element<N>(row, here, std::make_integer_sequence<int, N::inputs>{}));
      } else if constexpr (N::what == opcode::cast) {
        set_element<K>(here, cast_element<class_of(N::type), T, width>(element_value<traits, N::template in<0>(), class_of(N::type)>(row, here)));
      } else if constexpr (N::what == opcode::store || N::what == opcode::place) {
        if (N::what == opcode::place && !p.data[N::argument]) return;
        using a = argument_at<Arguments, N::argument>;
        auto v = element_value<traits, N::template in<0>(), class_of(N::type)>(row, here);
        if constexpr (class_of(N::type) == slot_class::boolean) store_booleans<typename a::column, Full>(reinterpret_cast<bool*>(p.data[N::argument]), c, count, v);
        else store_columns<typename a::column, Full>(reinterpret_cast<element_t_of<a::type>*>(p.data[N::argument]), c, count, v);
      } else if constexpr (reduction || N::what == opcode::keep) {
        extras.template accumulate<N, K>(element_value<traits, N::template in<0>(), slot_class::floating>(row, here), c, count);
      } else if constexpr (N::what == opcode::recall) {
        here.f[N::template in<0>()] = extras.template recall<N>(c, count);
      }
    }
  }
};

}  // namespace formwork::cpu
