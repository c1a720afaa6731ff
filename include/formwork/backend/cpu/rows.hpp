// The skeleton `rows` on the CPU: elementwise work with reductions along rows and down columns. A row is walked once
// per stage while it is in the first-level cache. Sums have an order that the shape alone decides: lanes, then
// unrolled steps, then (down columns) fixed runs of rows.
#pragma once

#include "column_sums.hpp"
#include "execute.hpp"
#include "tape_prefetch.hpp"
#include "tape_run.hpp"
#include "threads.hpp"

namespace formwork::cpu {

namespace detail {
template <class T> struct rows_scratch_tag {};
}  // namespace detail

template <long Rows, long Columns, int Stages, bool RowReductions, bool ColumnReductions, int Kept, dtype Type, class Arguments, class... I>
struct execute<rows_kernel<Rows, Columns, Stages, RowReductions, ColumnReductions, Kept, Type, Arguments, tape<I...>>> {
  using T = std::conditional_t<Type == dtype::f64, double, float>;
  using runner = tape_runner<T, Arguments, tape<I...>>;
  using lanes = pack<T, runner::width>;
  static constexpr int width = runner::width;
  using down = detail::column_sums<T, Columns, Arguments, tape<I...>>;
  static constexpr int column_results = down::results;
  // Independent accumulators hide the latency of the additions; long tapes have enough to do.
  static constexpr int unroll = Columns < 4 * width || sizeof...(I) > 24 ? 1 : sizeof...(I) > 12 ? 2 : 4;
  static constexpr bool only_columns = ColumnReductions && !RowReductions;
  // Runs of rows with a partial column sum each.
  static constexpr long run_rows = Rows >= 2048 ? 64 : Rows >= 64 ? 16 : 4;
  static constexpr long runs = (Rows + run_rows - 1) / run_rows;
  static constexpr long padded_columns = down::padded;
  using ahead = tape_prefetch<Arguments, tape<I...>, Stages, Columns>;
  static constexpr bool asks_ahead = Stages > 1 && Rows * Columns * static_cast<long>(sizeof(T)) > (1 << 20);  // half a second-level cache
  static constexpr std::size_t scratch_bytes =
      ColumnReductions && !only_columns ? static_cast<std::size_t>(runs) * down::bytes : 0;

  FORMWORK_HIDDEN static void run(launch_context const& ctx) {
    if constexpr (only_columns) {
      constexpr long block = column_block * width, blocks = (Columns + block - 1) / block;
      if constexpr (Rows * Columns < detail::serial_elements) run_column_blocks(ctx, 0, blocks);
      else parallel_ranges(blocks, [&](std::ptrdiff_t b, std::ptrdiff_t e) { run_column_blocks(ctx, b, e); });
    } else if constexpr (ColumnReductions) {
      parallel_for(runs, [&](std::ptrdiff_t r) { run_some_rows(ctx, r * run_rows, std::min<std::ptrdiff_t>((r + 1) * run_rows, Rows), r); });
      down::finish(ctx, static_cast<const T*>(ctx.scratch), runs);
    } else if constexpr (Rows * Columns < detail::serial_elements) {
      run_some_rows(ctx, 0, Rows, 0);
    } else if constexpr (Rows >= 16 || RowReductions) {
      parallel_ranges(Rows, [&](std::ptrdiff_t b, std::ptrdiff_t e) { run_some_rows(ctx, b, e, 0); });
    } else {
      constexpr long step = 4 * width, steps = (Columns + step - 1) / step;
      parallel_ranges(steps, [&](std::ptrdiff_t b, std::ptrdiff_t e) {
        run_part_of_rows(ctx, b * step, std::min<std::ptrdiff_t>(e * step, Columns));
      });
    }
  }

 private:
  static constexpr int column_block = 4;

  // Reductions of one walk: accumulators in registers, partial column sums and kept rows in memory.
  struct walk_extras {
    lanes sum[runner::size * unroll];
    T* partial;
    T* kept;
    template <class N, int K> FORMWORK_INLINE void accumulate(lanes v, std::ptrdiff_t c, int count) { accumulate_at<N, K, 0>(v, c, count); }
    template <class N, int K, int U> FORMWORK_INLINE void accumulate_at(lanes v, std::ptrdiff_t c, int count) {
      if constexpr (N::what == opcode::keep) {
        v.store(kept + N::argument * padded_columns + c);
      } else if constexpr (N::what == opcode::reduce_sum || N::what == opcode::reduce_maximum) {
        if (count < width) v = select(mask<T, width>::first(count), v, lanes(detail::neutral<T, N>()));
        sum[K * unroll + U] = detail::combine<N>(sum[K * unroll + U], v);
      } else {
        T* p = partial + down::template ordinal<K>() * padded_columns + c;
        detail::combine<N>(lanes::load(p), v).store(p);  // lanes beyond the last column are never read
      }
    }
    template <class N> FORMWORK_INLINE lanes recall(std::ptrdiff_t c, int) { return lanes::load(kept + N::argument * padded_columns + c); }
  };
  template <int U> struct step_extras {
    walk_extras& walk;
    template <class N, int K> FORMWORK_INLINE void accumulate(lanes v, std::ptrdiff_t c, int count) { walk.template accumulate_at<N, K, U>(v, c, count); }
    template <class N> FORMWORK_INLINE lanes recall(std::ptrdiff_t c, int count) { return walk.template recall<N>(c, count); }
  };

  template <int Stage> static constexpr bool walks = (false || ... || (I::at == level::element && ((I::evaluated >> Stage) & 1u)) ) ||
                                                     (false || ... || ((I::what == opcode::reduce_sum || I::what == opcode::reduce_maximum) && I::stage == Stage));

  template <int Stage>
  [[gnu::flatten]] FORMWORK_INLINE static void walk(launch_context const& ctx, typename runner::row_t& row, typename runner::pointers const& p,
                                                    [[maybe_unused]] typename runner::pointers const& next, walk_extras& extras) {
    if constexpr (walks<Stage>) {
      [&]<std::size_t... K>(std::index_sequence<K...>) FORMWORK_INLINE_LAMBDA {
        ([&]() FORMWORK_INLINE_LAMBDA {
          if constexpr (I::what == opcode::reduce_sum || I::what == opcode::reduce_maximum)
            for (int u = 0; u < unroll; ++u) extras.sum[static_cast<int>(K) * unroll + u] = lanes(detail::neutral<T, I>());
        }(), ...);
      }(std::make_index_sequence<sizeof...(I)>{});
      constexpr std::ptrdiff_t step = width * unroll, whole = Columns / step * step, vectors = Columns / width * width;
      for (std::ptrdiff_t c = 0; c < whole; c += step)
        [&]<int... U>(std::integer_sequence<int, U...>) FORMWORK_INLINE_LAMBDA {
          ([&]() FORMWORK_INLINE_LAMBDA {
            typename runner::element_t here;
            step_extras<U> e{extras};
            if constexpr (asks_ahead && U * width * sizeof(T) % 64 == 0) ahead::template ask<Stage>(p, next, c + U * width);
            runner::template run_elements<Stage, true>(ctx, row, here, p, c + U * width, width, e);
          }(), ...);
        }(std::make_integer_sequence<int, unroll>{});
      step_extras<0> e{extras};
      for (std::ptrdiff_t c = whole; c < vectors; c += width) {
        typename runner::element_t here;
        runner::template run_elements<Stage, true>(ctx, row, here, p, c, width, e);
      }
      if constexpr (vectors < Columns) {
        typename runner::element_t here;
        runner::template run_elements<Stage, false>(ctx, row, here, p, vectors, static_cast<int>(Columns - vectors), e);
      }
      [&]<std::size_t... K>(std::index_sequence<K...>) FORMWORK_INLINE_LAMBDA {
        ([&]() FORMWORK_INLINE_LAMBDA {
          constexpr bool is_sum = I::what == opcode::reduce_sum, is_max = I::what == opcode::reduce_maximum;
          if constexpr ((is_sum || is_max) && I::stage == Stage) {
            lanes v = extras.sum[static_cast<int>(K) * unroll];
            for (int u = 1; u < unroll; ++u) v = detail::combine<I>(v, extras.sum[static_cast<int>(K) * unroll + u]);
            if constexpr (is_sum) row.f[K] = reduce_add(v);
            else row.f[K] = reduce_max(v);
          }
        }(), ...);
      }(std::make_index_sequence<sizeof...(I)>{});
    }
  }

  [[gnu::flatten]] static void run_some_rows(launch_context const& ctx, std::ptrdiff_t begin, std::ptrdiff_t end, [[maybe_unused]] std::ptrdiff_t run_number) {
    walk_extras extras;
    if constexpr (ColumnReductions) {
      extras.partial = static_cast<T*>(ctx.scratch) + run_number * column_results * padded_columns;
      down::each([&]<class N, int K>() FORMWORK_INLINE_LAMBDA {
        std::fill_n(extras.partial + down::template ordinal<K>() * padded_columns, padded_columns, detail::neutral<T, N>());
      });
    }
    if constexpr (Kept > 0) extras.kept = static_cast<T*>(thread_scratch<detail::rows_scratch_tag<T>, round_up(Kept * padded_columns * sizeof(T), 4096)>());
    for (std::ptrdiff_t r = begin; r < end; ++r) {
      typename runner::row_t row;
      typename runner::pointers p, next;
      runner::rows::set_pointers(p, ctx.arguments, r);
      if constexpr (asks_ahead) runner::rows::set_pointers(next, ctx.arguments, std::min(r + 1, end - 1));
      [&]<int... S>(std::integer_sequence<int, S...>) FORMWORK_INLINE_LAMBDA {
        ((runner::rows::template run<S>(ctx, row, p), walk<S>(ctx, row, p, next, extras)), ...);
      }(std::make_integer_sequence<int, Stages>{});
      runner::rows::template run<Stages>(ctx, row, p);
    }
  }

  // Elementwise work on columns [begin, end) of every row.
  [[gnu::flatten]] static void run_part_of_rows(launch_context const& ctx, std::ptrdiff_t begin, std::ptrdiff_t end) {
    walk_extras extras;
    for (std::ptrdiff_t r = 0; r < Rows; ++r) {
      typename runner::row_t row;
      typename runner::pointers p;
      runner::rows::set_pointers(p, ctx.arguments, r);
      runner::rows::template run<0>(ctx, row, p);
      step_extras<0> e{extras};
      std::ptrdiff_t c = begin;
      for (; c + width <= end; c += width) {
        typename runner::element_t here;
        runner::template run_elements<0, true>(ctx, row, here, p, c, width, e);
      }
      if (c < end) {
        typename runner::element_t here;
        runner::template run_elements<0, false>(ctx, row, here, p, c, static_cast<int>(end - c), e);
      }
      runner::rows::template run<1>(ctx, row, p);
    }
  }

  template <int U> struct block_extras {
    lanes* sum;
    template <class N, int K> FORMWORK_INLINE void accumulate(lanes v, std::ptrdiff_t, int) {
      lanes& s = sum[down::template ordinal<K>() * column_block + U];
      s = detail::combine<N>(s, v);
    }
    template <class N> FORMWORK_INLINE lanes recall(std::ptrdiff_t, int) { return lanes(T(0)); }
  };

  // Column sums alone: each block of columns goes down all rows with its sums in registers.
  [[gnu::flatten]] static void run_column_blocks(launch_context const& ctx, std::ptrdiff_t first, std::ptrdiff_t last) {
    for (std::ptrdiff_t b = first; b < last; ++b) {
      const std::ptrdiff_t c = b * column_block * width;
      if constexpr (Columns >= column_block * width)  // narrower rows have no whole block to compile
        if (c + column_block * width <= Columns) {
          run_block<column_block, true>(ctx, c, width);
          continue;
        }
      for (std::ptrdiff_t d = c; d < Columns; d += width) {
        const int count = static_cast<int>(std::min<std::ptrdiff_t>(width, Columns - d));
        if (count == width) run_block<1, true>(ctx, d, width);
        else run_block<1, false>(ctx, d, count);
      }
    }
  }
  template <int Vectors, bool Full> FORMWORK_INLINE static void run_block(launch_context const& ctx, std::ptrdiff_t c, int count) {
    lanes sum[column_results * column_block];
    down::each([&]<class N, int K>() FORMWORK_INLINE_LAMBDA {
      for (int u = 0; u < Vectors; ++u) sum[down::template ordinal<K>() * column_block + u] = lanes(detail::neutral<T, N>());
    });
    for (std::ptrdiff_t r = 0; r < Rows; ++r) {
      typename runner::row_t row;
      typename runner::pointers p;
      runner::rows::set_pointers(p, ctx.arguments, r);
      runner::rows::template run<0>(ctx, row, p);
      [&]<int... U>(std::integer_sequence<int, U...>) FORMWORK_INLINE_LAMBDA {
        ([&]() FORMWORK_INLINE_LAMBDA {
          typename runner::element_t here;
          block_extras<U> e{sum};
          runner::template run_elements<0, Full>(ctx, row, here, p, c + U * width, count, e);
        }(), ...);
      }(std::make_integer_sequence<int, Vectors>{});
      if (c == 0) runner::rows::template run<1>(ctx, row, p);
    }
    down::each([&]<class N, int K>() FORMWORK_INLINE_LAMBDA {
      for (int u = 0; u < Vectors; ++u)
        down::template store<N, Full>(ctx, c + u * width, count, sum[down::template ordinal<K>() * column_block + u]);
    });
  }
};

}  // namespace formwork::cpu
