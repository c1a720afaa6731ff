// A product whose left operand is a single row, as when a model generates token by token: B passes by once, straight
// from where it lies. Nothing is packed, since nothing is used twice.
#pragma once

#include <algorithm>
#include <cstddef>

#include "contract_micro.hpp"
#include "contract_pack.hpp"
#include "simd.hpp"
#include "threads.hpp"

namespace formwork::cpu {

namespace detail {

// bench/decode, GPT-2 124M on 2 cores of an Intel Sapphire Rapids, AVX-512, f32.
inline constexpr int row_depth = 8;         // rows of B that are added in one pass over the sums
inline constexpr int row_vectors = 32;      // vectors of sums that stay in the first-level cache
inline constexpr int row_ahead = 4;         // columns, from the one that is read to the one that is asked for
inline constexpr long row_serial = 32768;   // multiply-adds that are not worth a second thread

// Columns next to each other: y[j] = ((a[0] B[0][j] + a[1] B[1][j]) + a[2] B[2][j]) + ..., vectors of j at a time.
template <class T, int N, int K, class B, class Epilogue>
[[gnu::noinline]] FORMWORK_HIDDEN void row_of_columns(const T* a, B const& b, Epilogue const& epilogue, std::ptrdiff_t batch, work_range vectors) {
  constexpr int lanes = native_width<T>;
  using vector = pack<T, lanes>;
  alignas(64) T sums[row_vectors * lanes];
  for (std::ptrdiff_t first = vectors.begin; first < vectors.end; first += row_vectors) {
    const std::ptrdiff_t column = first * lanes, end = std::min<std::ptrdiff_t>(std::min(first + row_vectors, vectors.end) * lanes, N);
    std::fill_n(sums, row_vectors * lanes, T(0));
    const auto pass = [&]<int Depth>(std::integral_constant<int, Depth>, int k) {
      vector factor[Depth];
      unrolled<Depth>([&](auto d) { factor[d] = broadcast(a[k + d]); });
      const auto add = [&](std::ptrdiff_t c, int count) __attribute__((always_inline)) {
        T* at = sums + (c - column);
        vector sum = load_whole(at);
        unrolled<Depth>([&](auto d) {
          if constexpr (requires { b.address(batch, c, 0); }) __builtin_prefetch(b.address(batch, c, std::min(k + Depth + d, K - 1)), 0, 3);
          sum = fma(factor[d], b.template load<lanes>(batch, c, k + d, count), sum);
        });
        store_whole(sum, at);
      };
      std::ptrdiff_t c = column;
      for (; c + lanes <= end; c += lanes) add(c, lanes);
      if (c < end) add(c, static_cast<int>(end - c));
    };
    int k = 0;
    for (; k + row_depth <= K; k += row_depth) pass(std::integral_constant<int, row_depth>{}, k);
    if constexpr (K % row_depth != 0)
      for (; k < K; ++k) pass(std::integral_constant<int, 1>{}, k);
    for (std::ptrdiff_t c = column; c < end; c += lanes)
      epilogue(batch, 0, c, load_whole(sums + (c - column)), static_cast<int>(std::min<std::ptrdiff_t>(lanes, end - c)));
  }
}

// The k of a column next to each other: y[j] = a . B[:, j], four columns at a time; `a` is zero up to whole vectors.
template <class T, int N, int K, class B, class Epilogue>
[[gnu::noinline]] FORMWORK_HIDDEN void row_of_dots(const T* a, B const& b, Epilogue const& epilogue, std::ptrdiff_t batch, work_range vectors) {
  constexpr int lanes = native_width<T>, columns = 4;
  using vector = pack<T, lanes>;
  for (std::ptrdiff_t v = vectors.begin; v < vectors.end; ++v) {
    const std::ptrdiff_t column = v * lanes;
    const int count = static_cast<int>(std::min<std::ptrdiff_t>(lanes, N - column));
    vector result(T(0));
    const auto dots = [&]<int Columns>(std::integral_constant<int, Columns>, int j) {
      vector sum[Columns];
      unrolled<Columns>([&](auto c) { sum[c] = vector(T(0)); });
      const auto add = [&](int k, int depth) __attribute__((always_inline)) {
        const vector factor = load_whole(a + k);
        if constexpr (operand_in_memory<B>)
          unrolled<Columns>([&](auto c) { __builtin_prefetch(b.address(batch, std::min<std::ptrdiff_t>(column + j + c + row_ahead, N - 1), k), 0, 3); });
        unrolled<Columns>([&](auto c) { sum[c] = fma(factor, b.template load<lanes>(batch, column + j + c, k, depth), sum[c]); });
      };
      int k = 0;
      for (; k + lanes <= K; k += lanes) add(k, lanes);
      if (k < K) add(k, K - k);
      unrolled<Columns>([&](auto c) { result.v[j + c] = reduce_add(sum[c]); });
    };
    int j = 0;
    for (; j + columns <= count; j += columns) dots(std::integral_constant<int, columns>{}, j);
    for (; j < count; ++j) dots(std::integral_constant<int, 1>{}, j);
    epilogue(batch, 0, column, result, count);
  }
}

}  // namespace detail

// Is A a row that can be walked along, and short enough for a copy on the stack?
template <class A, int K> inline constexpr bool is_short_row = A::k_contiguous && K <= 8192;

// contract() for M = 1: the same result to within rounding, and the same bits for any number of threads.
template <class T, int Batch, int N, int K, contract_operand<T> A, contract_operand<T> B, class Epilogue>
void contract_row(A const& a, B const& b, Epilogue const& epilogue) {
  constexpr int lanes = native_width<T>, padded = (K + lanes - 1) / lanes * lanes;
  constexpr std::ptrdiff_t vectors = (N + lanes - 1) / lanes;
  const auto part = [&](int thread, int threads) {
    alignas(64) T row[padded];
    for (std::ptrdiff_t n = 0; n < Batch; ++n) {
      const work_range mine = part_of(vectors, thread, threads);
      if (mine.begin >= mine.end) continue;
      for (int k = 0; k < K; k += lanes) detail::store_whole(a.template load<lanes>(n, 0, k, std::min(lanes, K - k)), row + k);
      if constexpr (B::k_contiguous) detail::row_of_dots<T, N, K>(row, b, epilogue, n, mine);
      else detail::row_of_columns<T, N, K>(row, b, epilogue, n, mine);
    }
  };
  if constexpr (static_cast<long>(Batch) * N * K < detail::row_serial) part(0, 1);
  else parallel_threads(thread_count(), part);
}

}  // namespace formwork::cpu
