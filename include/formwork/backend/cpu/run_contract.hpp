// A product's kernel type on the `contract` skeleton: strided operands, and its tape as the epilogue. Sums
// are f32 or f64, whatever the operands are stored as.
#pragma once

#include "contract.hpp"
#include "contract_row.hpp"
#include "execute.hpp"
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

template <class T, class S, class Strides> FORMWORK_INLINE auto make_operand(const void* p) {
  constexpr long batch = Strides::extent(0), outer = Strides::stride(0), inner = Strides::extent(1);
  constexpr bool along_k = inner == 1 || inner == 0, adjacent = along_k || outer == 1 || outer == 0;
  const S* q = static_cast<const S*>(p);
  if constexpr (!adjacent) return scattered_operand<T, S>{q, batch, outer, inner};
  else if constexpr (std::is_same_v<T, S>) return strided_operand<T, along_k>{q, batch, along_k ? outer : inner};
  else return converted_operand<T, S, along_k>{q, batch, along_k ? outer : inner};
}

}  // namespace detail

template <long Batch, long M, long N, long K, dtype Type, class AStrides, class BStrides, class Arguments, class Tape>
struct execute<contract_kernel<Batch, M, N, K, Type, AStrides, BStrides, Arguments, Tape>> {
  using T = std::conditional_t<Type == dtype::f64, double, float>;
  template <int Which> using stored = formwork::element_t<argument_at<Arguments, Which>::type>;
  using runner = tape_runner<T, Arguments, Tape>;
  static constexpr std::size_t scratch_bytes = 0;
  static constexpr int accumulator_slot = tape_traits<Tape>::slot_of(opcode::accumulator);

  struct epilogue {
    launch_context const& ctx;

    template <class Errands> FORMWORK_INLINE void touch(Errands& errands, std::ptrdiff_t batch, std::ptrdiff_t row, std::ptrdiff_t column) const {
      runner::touch(errands, ctx.arguments, batch * M + row, column);
    }

    struct extras {
      template <class I, int Slot, class V> FORMWORK_INLINE void accumulate(V const&, std::ptrdiff_t, int) {}
    };
    [[gnu::flatten]] FORMWORK_INLINE void operator()(std::ptrdiff_t batch, std::ptrdiff_t row, std::ptrdiff_t column, pack<T, runner::width> value, int count) const {
      typename runner::row_t rows;
      typename runner::pointers p;
      runner::rows::set_pointers(p, ctx.arguments, batch * M + row);
      runner::rows::template run<0>(ctx, rows, p);
      typename runner::element_t here;
      here.f[accumulator_slot] = value;
      extras none;
      if (count == runner::width) runner::template run_elements<0, true>(ctx, rows, here, p, column, count, none);
      else runner::template run_elements<0, false>(ctx, rows, here, p, column, count, none);
    }
  };

  FORMWORK_HIDDEN static void run(launch_context const& ctx) {
    constexpr int batch = static_cast<int>(Batch), columns = static_cast<int>(N), depth = static_cast<int>(K);
    const auto a = detail::make_operand<T, stored<0>, AStrides>(ctx.arguments[0]);
    const auto b = detail::make_operand<T, stored<1>, BStrides>(ctx.arguments[1]);
    if constexpr (M == 1 && is_short_row<decltype(a), depth>) contract_row<T, batch, columns, depth>(a, b, epilogue{ctx});
    else contract<T, batch, static_cast<int>(M), columns, depth>(a, b, epilogue{ctx});
  }
};

}  // namespace formwork::cpu
