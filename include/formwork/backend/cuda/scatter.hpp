// The skeleton `scatter` on a GPU: rows of updates added into rows of a table, each sum in the order of the updates and
// without atomics. The updates of one table row are linked first; then the block of the first of them adds them all.
#pragma once

#include "execute.hpp"

namespace formwork::gpu {

namespace detail {

template <long TableRows, class Index> FORMWORK_DEVICE int clamped(Index i) {
  return static_cast<int>(i < 0 ? 0 : static_cast<long>(i) >= TableRows ? TableRows - 1 : static_cast<long>(i));
}

// next[i]: the next update of the same table row, or -1; leads[i]: 1 where there is none before.
template <long TableRows, long Rows, dtype IndexType> struct scatter_links {
  static constexpr const char* name = "scatter links";
  static constexpr int threads = 128, tile = 512;
  static constexpr launch_shape shape{.blocks = (Rows + threads - 1) / threads, .threads = threads, .shared_bytes = tile * sizeof(int)};

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    const auto* index = static_cast<const element_t<IndexType>*>(a.arguments[1]);
    int* shared = reinterpret_cast<int*>(lane.shared());
    const long i = lane.block() * threads + lane.thread();
    const int mine = i < Rows ? clamped<TableRows>(index[i]) : -1;
    int next = -1, leads = 1;
    for (long begin = 0; begin < Rows; begin += tile) {
      for (int k = lane.thread(); k < tile; k += threads) shared[k] = begin + k < Rows ? clamped<TableRows>(index[begin + k]) : -2;
      lane.sync();
      for (int k = 0; k < tile; ++k) {
        const bool same = shared[k] == mine;
        if (same && begin + k < i) leads = 0;
        if (same && begin + k > i && next < 0) next = static_cast<int>(begin + k);
      }
      lane.sync();
    }
    if (i < Rows) {
      int* links = static_cast<int*>(a.scratch);
      links[i] = next;
      links[Rows + i] = leads;
    }
  }
};

// Start: 0 the table begins as zeros, 1 it is already there, 2 it is copied from the base.
template <long TableRows, long Columns, int Start, class T> struct scatter_start {
  static constexpr const char* name = "scatter start";
  static constexpr int threads = 256, each = 4;
  static constexpr long elements = TableRows * Columns;
  static constexpr launch_shape shape{.blocks = (elements + threads * each - 1) / (threads * each), .threads = threads};

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    const T* base = static_cast<const T*>(a.arguments[0]);
    T* table = static_cast<T*>(a.arguments[3]);
    FORMWORK_UNROLL
    for (int k = 0; k < each; ++k) {
      const long e = (lane.block() * each + k) * threads + lane.thread();
      if (e < elements) table[e] = Start == 2 ? base[e] : T(0);
    }
  }
};

template <long TableRows, long Rows, long Columns, class T, dtype UpdateType, dtype IndexType> struct scatter_add {
  static constexpr const char* name = "scatter";
  static constexpr int threads = Columns >= 256 ? 256 : Columns >= 128 ? 128 : Columns >= 64 ? 64 : 32;
  static constexpr launch_shape shape{.blocks = Rows, .threads = threads};

  template <class Lane, int Count> FORMWORK_DEVICE static void run(Lane const& lane, kernel_arguments<Count> const& a) {
    const auto* index = static_cast<const element_t<IndexType>*>(a.arguments[1]);
    const auto* update = static_cast<const element_t<UpdateType>*>(a.arguments[2]);
    const int* links = static_cast<const int*>(a.scratch);
    const long first = lane.block();
    if (links[Rows + first] == 0) return;
    T* to = static_cast<T*>(a.arguments[3]) + static_cast<long>(clamped<TableRows>(index[first])) * Columns;
    for (long c = lane.thread(); c < Columns; c += threads) {
      T sum = to[c];
      for (long r = first; r >= 0; r = links[r]) sum += static_cast<T>(update[r * Columns + c]);
      to[c] = sum;
    }
  }
};

}  // namespace detail

template <long TableRows, long Rows, long Columns, int Start, dtype Type, dtype UpdateType, dtype IndexType, class Options>
struct kernel_plan<scatter_kernel<TableRows, Rows, Columns, Start, Type, UpdateType, IndexType>, Options> {
  using T = std::conditional_t<Type == dtype::f64, double, float>;
  static constexpr std::size_t scratch_bytes = 2 * static_cast<std::size_t>(Rows) * sizeof(int);
  using links = detail::scatter_links<TableRows, Rows, IndexType>;
  using start = detail::scatter_start<TableRows, Columns, Start, T>;
  using add = detail::scatter_add<TableRows, Rows, Columns, T, UpdateType, IndexType>;
  using launches = std::conditional_t<Start == 1, launch_list<links, add>, launch_list<start, links, add>>;
};

}  // namespace formwork::gpu
