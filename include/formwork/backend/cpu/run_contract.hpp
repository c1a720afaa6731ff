// A product's kernel type on the `contract` skeleton: strided operands, and its tape as the epilogue. Sums
// are f32 or f64, whatever the operands are stored as.
#pragma once

#include "../../kernels/tape_prologue.hpp"
#include "contract.hpp"
#include "contract_row.hpp"
#include "execute.hpp"
#include "row_sums.hpp"
#include "tape_run.hpp"

namespace formwork::cpu {

namespace detail {

// An operand with no axis of stride 1, stored as S.
template <class T, class S> struct scattered_operand {
  static constexpr bool k_contiguous = true;
  const S* pointer;
  std::ptrdiff_t batch_stride, outer_stride, k_stride;
  template <int Width> FORMWORK_INLINE pack<T, Width> load(std::ptrdiff_t batch, std::ptrdiff_t outer, std::ptrdiff_t k, int count) const {
    const S* p = pointer + batch * batch_stride + outer * outer_stride + k * k_stride;
    pack<T, Width> r(T(0));
    for (int i = 0; i < Width; ++i)
      if (i < count) r.v[i] = static_cast<T>(p[i * k_stride]);
    return r;
  }
};

// A strided_operand stored as S: its numbers become T while they are packed.
template <class T, class S, bool KContiguous> struct converted_operand {
  static constexpr bool k_contiguous = KContiguous;
  const S* pointer;
  std::ptrdiff_t batch_stride, stride;
  template <int Width> FORMWORK_INLINE pack<T, Width> load(std::ptrdiff_t batch, std::ptrdiff_t outer, std::ptrdiff_t k, int count) const {
    const S* p = pointer + batch * batch_stride + (KContiguous ? outer * stride + k : k * stride + outer);
    return count == Width ? load_as<T, Width>(p) : load_as<T, Width>(p, count);
  }
};

// Along an axis of one element (stride 0) elements count as adjacent; along one that repeats an element they are not.
template <class T, class S, class Strides, long Outer, long K> FORMWORK_INLINE auto make_operand(const void* p) {
  constexpr long batch = Strides::extent(0), outer = Strides::stride(0), inner = Strides::extent(1);
  constexpr bool along_k = inner == 1 || K == 1, adjacent = along_k || outer == 1 || Outer == 1;
  const S* q = static_cast<const S*>(p);
  constexpr int panel = static_cast<int>(Strides::stride(1));
  if constexpr (panel != 0) return panel_operand<T, panel, S>{q, batch, outer};
  else if constexpr (!adjacent) return scattered_operand<T, S>{q, batch, outer, inner};
  else if constexpr (std::is_same_v<T, S>) return strided_operand<T, along_k>{q, batch, along_k ? outer : inner};
  else return converted_operand<T, S, along_k>{q, batch, along_k ? outer : inner};
}

}  // namespace detail

template <long Batch, long M, long N, long K, dtype Type, class AStrides, class BStrides, class Arguments, class Tape>
struct execute<contract_kernel<Batch, M, N, K, Type, AStrides, BStrides, Arguments, Tape>> {
  using T = std::conditional_t<Type == dtype::f64, double, float>;
  template <int Which> using stored = formwork::element_t<argument_at<Arguments, Which>::type>;
  using runner = tape_runner<T, Arguments, Tape>;
  // Of two products the first leaves its sums, and the second has the tape.
  static constexpr int products = tape_traits<Tape>::count_of(opcode::accumulator);
  static_assert(products == 1 || products == 2);
  template <int Product> static constexpr int accumulator_slot = tape_traits<Tape>::slot_of(opcode::accumulator, Product);
  static constexpr int place_of_sums = tape_traits<Tape>::arguments[accumulator_slot<0>];
  static constexpr std::size_t sums_bytes = products == 1 || place_of_sums >= 0 ? 0 : round_up(Batch * M * N * static_cast<long>(sizeof(T)), 64);
  // Sums down the columns: a run is the rows of a register tile, which one thread meets in their order.
  using down = detail::column_sums<T, N, Arguments, Tape>;
  static constexpr int tile_rows = kernels::contract_schedule_for(sizeof(T), static_cast<int>(M), static_cast<int>(N), static_cast<int>(K)).tile_rows;
  static constexpr long runs_each = (M + tile_rows - 1) / tile_rows;
  static constexpr std::size_t down_bytes = static_cast<std::size_t>(round_up(Batch * runs_each * static_cast<long>(down::bytes), 64));
  // Sums along the rows: a block of columns is a register tile's, or in contract_row a vector.
  static constexpr int tile_columns = kernels::contract_schedule_for(sizeof(T), static_cast<int>(M), static_cast<int>(N), static_cast<int>(K)).tile_columns;
  template <bool ByVectors> using along = detail::row_sums<T, Batch * M, N, ByVectors ? runner::width : tile_columns, Arguments, Tape>;
  static constexpr bool sums_rows = along<false>::results > 0;
  static constexpr std::size_t scratch_bytes = sums_bytes + down_bytes + along<M == 1>::bytes;
  FORMWORK_INLINE static T* run_of(launch_context const& ctx, std::ptrdiff_t batch, std::ptrdiff_t row) {
    return reinterpret_cast<T*>(static_cast<std::byte*>(ctx.scratch) + sums_bytes) + (batch * runs_each + row / tile_rows) * (down::results * down::padded);
  }
  FORMWORK_INLINE static T* parts_of_rows(launch_context const& ctx) { return reinterpret_cast<T*>(static_cast<std::byte*>(ctx.scratch) + sums_bytes + down_bytes); }
  FORMWORK_INLINE static T* first_sums(launch_context const& ctx, std::ptrdiff_t batch, std::ptrdiff_t row, std::ptrdiff_t column) {
    if constexpr (place_of_sums < 0) return static_cast<T*>(ctx.scratch) + (batch * M + row) * N + column;
    else return static_cast<T*>(ctx.arguments[place_of_sums]) + argument_at<Arguments, place_of_sums>::row::offset(batch * M + row) + column;
  }

  struct keep_sums {
    launch_context const& ctx;
    template <class Errands> FORMWORK_INLINE void touch(Errands& errands, std::ptrdiff_t batch, std::ptrdiff_t row, std::ptrdiff_t column) const {
      errands.ask_to_write(first_sums(ctx, batch, row, column));
    }
    FORMWORK_INLINE void operator()(std::ptrdiff_t batch, std::ptrdiff_t row, std::ptrdiff_t column, pack<T, runner::width> value, int count) const {
      if (count == runner::width) value.store(first_sums(ctx, batch, row, column));
      else value.store(first_sums(ctx, batch, row, column), count);
    }
  };

  template <bool ByVectors> struct epilogue {
    launch_context const& ctx;
    using part = typename along<ByVectors>::part;

    template <class Errands> FORMWORK_INLINE void touch(Errands& errands, std::ptrdiff_t batch, std::ptrdiff_t row, std::ptrdiff_t column) const {
      runner::touch(errands, ctx.arguments, batch * M + row, column);
    }

    FORMWORK_INLINE part start(std::ptrdiff_t batch, std::ptrdiff_t row, std::ptrdiff_t column) const
      requires(sums_rows && !ByVectors)
    {
      return {parts_of_rows(ctx), batch * M + row, column};
    }
    FORMWORK_INLINE void finish(part const& p) const { p.finish(); }

    struct extras {
      T* run = nullptr;  // partial column sums
      bool first = true;
      part* of_row = nullptr;
      template <class I, int Slot, class V> FORMWORK_INLINE void accumulate(V const& v, std::ptrdiff_t c, int count) {
        if constexpr (is_row_reduction(I::what)) {
          of_row->template add<I, Slot>(v, count);
        } else {
          T* p = run + down::template ordinal<Slot>() * down::padded + c;  // lanes beyond the last column are never read
          (first ? v : detail::combine<I>(V::load(p), v)).store(p);
        }
      }
    };
    FORMWORK_INLINE void operator()(std::ptrdiff_t batch, std::ptrdiff_t row, std::ptrdiff_t column, pack<T, runner::width> value, int count) const {
      if constexpr (sums_rows && ByVectors) {
        part p(parts_of_rows(ctx), batch * M + row, column);
        compute(batch, row, column, value, count, &p);
        p.finish();
      } else {
        compute(batch, row, column, value, count, nullptr);
      }
    }
    FORMWORK_INLINE void operator()(std::ptrdiff_t batch, std::ptrdiff_t row, std::ptrdiff_t column, pack<T, runner::width> value, int count, part& p) const {
      compute(batch, row, column, value, count, &p);
    }
    [[gnu::flatten]] FORMWORK_INLINE void compute(std::ptrdiff_t batch, std::ptrdiff_t row, std::ptrdiff_t column, pack<T, runner::width> value, int count, [[maybe_unused]] part* of_row) const {
      typename runner::row_t rows;
      typename runner::pointers p;
      runner::rows::set_pointers(p, ctx.arguments, batch * M + row);
      runner::rows::template run<0>(ctx, rows, p);
      typename runner::element_t here;
      here.f[accumulator_slot<products - 1>] = value;
      if constexpr (products == 2) {
        const T* first = first_sums(ctx, batch, row, column);
        here.f[accumulator_slot<0>] = count == runner::width ? load_as<T, runner::width>(first) : load_as<T, runner::width>(first, count);
      }
      extras sums;
      if constexpr (down::results > 0) sums.run = run_of(ctx, batch, row), sums.first = row % tile_rows == 0;
      if constexpr (sums_rows) sums.of_row = of_row;
      if (count == runner::width) runner::template run_elements<0, true>(ctx, rows, here, p, column, count, sums);
      else runner::template run_elements<0, false>(ctx, rows, here, p, column, count, sums);
    }
  };

  // An operand whose elements are computed while they are packed, and rounded as if they had been stored.
  template <int Which, class Strides> struct prologue {
    using part = tape_prologue<Tape, Which>;
    using place = prologue_rows<Strides, part::columns>;
    static constexpr bool k_contiguous = place::along_k;
    launch_context const& ctx;

    template <int Width>
    [[gnu::flatten]] FORMWORK_INLINE pack<T, Width> load(std::ptrdiff_t batch, std::ptrdiff_t outer, std::ptrdiff_t k, int count) const {
      static_assert(Width == runner::width);
      const std::ptrdiff_t column = place::column(outer, k);
      typename runner::row_t rows;
      typename runner::pointers p;
      runner::rows::set_pointers(p, ctx.arguments, place::row(batch, outer, k));
      runner::rows::template run<part::stage>(ctx, rows, p);
      typename runner::element_t here;
      struct {} none;
      if (count == Width) runner::template run_elements<part::stage, true>(ctx, rows, here, p, column, count, none);
      else runner::template run_elements<part::stage, false>(ctx, rows, here, p, column, count, none);
      const pack<T, Width> exact = element_value<typename runner::traits, part::result, slot_class::floating>(rows, here);
      const pack<T, Width> x = detail::decode<T, stored<Which>, Width>(detail::encode<stored<Which>>(exact));
      return count == Width ? x : select(pack<T, Width>::iota(T(0)) < pack<T, Width>(static_cast<T>(count)), x, pack<T, Width>(T(0)));
    }
  };

  template <int Which, class Strides> FORMWORK_INLINE static auto operand(launch_context const& ctx) {
    if constexpr (tape_prologue<Tape, Which>::is_there) return prologue<Which, Strides>{ctx};
    else return detail::make_operand<T, stored<Which>, Strides, Which == 0 ? M : N, K>(ctx.arguments[Which]);
  }

  FORMWORK_HIDDEN static void run(launch_context const& ctx) {
    if constexpr (products == 2) multiply<1>(ctx, keep_sums{ctx});
    constexpr bool by_vectors = M == 1 && is_short_row<decltype(operand<0, AStrides>(ctx)), static_cast<int>(K)>;
    multiply<products>(ctx, epilogue<by_vectors>{ctx});
    if constexpr (down::results > 0) down::finish(ctx, run_of(ctx, 0, 0), Batch * runs_each);
    if constexpr (sums_rows) along<by_vectors>::finish(ctx, parts_of_rows(ctx));
  }

 private:
  // Argument 0 times argument Right.
  template <int Right, class Epilogue> FORMWORK_INLINE static void multiply(launch_context const& ctx, Epilogue const& results) {
    constexpr int batch = static_cast<int>(Batch), columns = static_cast<int>(N), depth = static_cast<int>(K);
    const auto a = operand<0, AStrides>(ctx);
    const auto b = operand<Right, BStrides>(ctx);
    if constexpr (M == 1 && is_short_row<decltype(a), depth>) contract_row<T, batch, columns, depth>(a, b, results);
    else contract<T, batch, static_cast<int>(M), columns, depth>(a, b, results);
  }
};

}  // namespace formwork::cpu
