// What a row kernel asks memory for ahead of its use. The walks along a row are separate loops over data that the first
// of them brought into the cache, so that without this memory would idle during all others.
#pragma once

#include "tape_run.hpp"

namespace formwork::cpu {

template <class Arguments, class Tape, int Stages, long Columns> struct tape_prefetch;
template <class Arguments, class... I, int Stages, long Columns> struct tape_prefetch<Arguments, tape<I...>, Stages, Columns> {
  using pointers = row_pointers<Arguments::size>;

  // In walk Stage at column c, once per cache line.
  //   A walk without stores asks for the next row's operands, those that walk 0 reads: each walk for a part of the row
  //   in proportion to its work. A walk with stores asks for the lines that it will write in a moment.
  // bench/ops on a Sapphire Rapids server core, of the time without: cross-entropy 256 x 50257 0.56 forward and 0.75
  // with its gradient, softmax 49152 x 1024 0.84, layer norm 4096 x 768 0.87 forward, 0.74 backward.
  template <int Stage> FORMWORK_INLINE static void ask([[maybe_unused]] pointers const& here, [[maybe_unused]] pointers const& next, [[maybe_unused]] std::ptrdiff_t c) {
    if constexpr (stores<Stage>) {
      each<opcode::store, 1u << Stage>([&]<class A>(int argument) FORMWORK_INLINE_LAMBDA {
        __builtin_prefetch(here.data[argument] + (c + lead) * static_cast<std::ptrdiff_t>(size_of(A::type)), 1, Columns <= near ? 3 : 2);
      });
    } else {
      constexpr long all = work_before<Stages>, first = Columns * work_before<Stage> / all, share = 1024 * work<Stage> / all;
      each<opcode::load, 1u>([&]<class A>(int argument) FORMWORK_INLINE_LAMBDA {
        __builtin_prefetch(next.data[argument] + (first + c * share / 1024) * static_cast<std::ptrdiff_t>(size_of(A::type)), 0, Columns <= near ? 3 : 2);
      });
    }
  }

 private:
  static constexpr long lead = 1024;  // elements from a store to the line asked for: 4 KiB of f32
  static constexpr long near = 2048;  // two rows of so many elements fit the first-level cache

  template <class N, int Stage> static constexpr bool runs = N::at == level::element && (N::evaluated >> Stage & 1u) != 0;
  template <int Stage> static constexpr bool stores = (false || ... || (I::what == opcode::store && runs<I, Stage>));
  template <class Op> static constexpr int flops_of() {
    if constexpr (requires { Op::flops; }) return Op::flops;
    else return 1;
  }
  // The work of walks before Stage that store nothing.
  template <int Stage> static constexpr long work = (1 + ... + (runs<I, Stage> ? flops_of<typename I::op>() : 0));
  template <int Stage> static constexpr long work_before = []<int... S>(std::integer_sequence<int, S...>) {
    return (0 + ... + (stores<S> ? 0 : work<S>));
  }(std::make_integer_sequence<int, Stage>{});

  // f for the arguments, contiguous along a row, of the instructions What that run in one of the stages `Evaluated`.
  template <opcode What, unsigned Evaluated, class F> FORMWORK_INLINE static void each(F const& f) {
    ([&]() FORMWORK_INLINE_LAMBDA {
      if constexpr (I::what == What && I::at == level::element && (I::evaluated & Evaluated) != 0) {
        using a = argument_at<Arguments, I::argument>;
        if constexpr (a::column::rank == 1 && a::column::stride(0) == 1 && furthest<typename a::row>() > 0) f.template operator()<a>(I::argument);
      }
    }(), ...);
  }
};

}  // namespace formwork::cpu
