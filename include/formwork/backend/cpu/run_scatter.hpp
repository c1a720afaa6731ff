// The skeleton `scatter`: rows of updates added into rows of a table. Every thread owns a run of columns and goes
// through the updates in order, so that the sum of each element has one order for any number of threads.
#pragma once

#include <algorithm>
#include <cstring>

#include "execute.hpp"
#include "simd.hpp"
#include "threads.hpp"

namespace formwork::cpu {

// Start: 0 the table begins as zeros, 1 it is already there, 2 it is copied from the base.
// Arguments: base, indices (Rows), updates (Rows, Columns), table (TableRows, Columns).
template <long TableRows, long Rows, long Columns, int Start, dtype Type, dtype UpdateType, dtype IndexType>
struct execute<scatter_kernel<TableRows, Rows, Columns, Start, Type, UpdateType, IndexType>> {
  using T = std::conditional_t<Type == dtype::f64, double, float>;
  static constexpr std::size_t scratch_bytes = 0;

  FORMWORK_HIDDEN static void run(launch_context const& ctx) {
    const T* base = static_cast<const T*>(ctx.arguments[0]);
    const auto* index = static_cast<const formwork::element_t<IndexType>*>(ctx.arguments[1]);
    const auto* update = static_cast<const formwork::element_t<UpdateType>*>(ctx.arguments[2]);
    T* table = static_cast<T*>(ctx.arguments[3]);
    if constexpr (Start != 1)
      parallel_ranges(TableRows, [&](std::ptrdiff_t b, std::ptrdiff_t e) {
        const std::size_t bytes = static_cast<std::size_t>((e - b) * Columns) * sizeof(T);
        if constexpr (Start == 0) std::memset(table + b * Columns, 0, bytes);
        else std::memcpy(table + b * Columns, base + b * Columns, bytes);
      });
    constexpr long width = native_width<T>, vectors = (Columns + width - 1) / width;
    parallel_ranges(vectors, [&](std::ptrdiff_t b, std::ptrdiff_t e) {
      const std::ptrdiff_t begin = b * width, end = std::min<std::ptrdiff_t>(e * width, Columns);
      for (long r = 0; r < Rows; ++r) {
        const std::ptrdiff_t row = std::clamp<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(index[r]), 0, TableRows - 1);
        T* to = table + row * Columns;
        const auto* from = update + r * Columns;
        for (std::ptrdiff_t c = begin; c < end; ++c) to[c] += static_cast<T>(from[c]);
      }
    });
  }
};

}  // namespace formwork::cpu
