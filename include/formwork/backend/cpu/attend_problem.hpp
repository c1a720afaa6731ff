// The operands of attention: compile-time maxima, run-time lengths, and strided views of heads.
#pragma once

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>

namespace formwork::cpu {

// query [Batch, Heads, Queries, Width]; key and value [Batch, Groups, Keys, Width]. Query head h reads the keys
// and values of group h / (Heads / Groups).
template <int Batch, int Heads, int Groups, int Queries, int Keys, int Width> struct attend_shape {
  static_assert(Batch > 0 && Heads > 0 && Groups > 0 && Queries > 0 && Keys > 0 && Width > 0,
                "attend: every extent must be positive");
  static_assert(Heads % Groups == 0, "attend: the number of query heads must be a multiple of the key-value groups");
  static constexpr int batch = Batch, heads = Heads, groups = Groups, queries = Queries, keys = Keys, width = Width;
  static constexpr int heads_per_group = Heads / Groups;
};

// Rows of `width` contiguous elements; strides in elements. A head of a [B, T, 3 C] buffer has
// {.batch = 3 T C, .head = D, .token = 3 C}.
template <class T> struct attend_rows {
  T* data;
  std::ptrdiff_t batch, head, token;
  T* row(std::ptrdiff_t b, std::ptrdiff_t h, std::ptrdiff_t t) const { return data + b * batch + h * head + t * token; }
};

// Tokens that exist, at most the shape's: the same for the whole batch, or one number for each of its sequences.
// Outputs and gradients of tokens that do not exist are 0.
struct attend_lengths {
  int query = INT_MAX, key = INT_MAX;
  const std::int32_t* query_of_batch = nullptr;
  const std::int32_t* key_of_batch = nullptr;

  template <class Shape> int queries(std::ptrdiff_t b) const {
    return std::clamp(query_of_batch ? static_cast<int>(query_of_batch[b]) : query, 0, Shape::queries);
  }
  template <class Shape> int keys(std::ptrdiff_t b) const {
    return std::clamp(key_of_batch ? static_cast<int>(key_of_batch[b]) : key, 0, Shape::keys);
  }
};

template <class T> struct attend_inputs {
  attend_rows<const T> query, key, value;
  attend_lengths lengths = {};
};

namespace attention {

template <class T> void zero_rows(attend_rows<T> x, std::ptrdiff_t b, std::ptrdiff_t h, std::ptrdiff_t begin,
                                  std::ptrdiff_t end, int width) {
  for (std::ptrdiff_t t = begin; t < end; ++t) std::fill_n(x.row(b, h, t), width, T(0));
}

constexpr std::ptrdiff_t blocks_of(std::ptrdiff_t count, std::ptrdiff_t block) { return (count + block - 1) / block; }

// 0, n-1, 1, n-2, ...: with a causal mask late blocks cost most, and any run of these costs about the same.
constexpr std::ptrdiff_t balanced(std::ptrdiff_t i, std::ptrdiff_t n) { return i % 2 == 0 ? i / 2 : n - 1 - i / 2; }

}  // namespace attention
}  // namespace formwork::cpu
