// dims: a shape as plain data, for the constexpr program; at most six axes.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>

namespace formwork {

inline constexpr int max_rank = 6;

struct dims {
  int rank = 0;
  long size[max_rank]{};

  constexpr dims() = default;
  constexpr dims(std::initializer_list<long> sizes) {
    for (long s : sizes) size[rank++] = s;
  }

  constexpr long operator[](int axis) const { return size[axis < 0 ? axis + rank : axis]; }
  constexpr long& operator[](int axis) { return size[axis < 0 ? axis + rank : axis]; }
  constexpr void push_back(long s) { size[rank++] = s; }

  constexpr long elements() const { return product(0, rank); }
  // Product of the sizes of axes first, ..., last - 1.
  constexpr long product(int first, int last) const {
    long n = 1;
    for (int i = first; i < last; ++i) n *= size[i];
    return n;
  }

  friend constexpr bool operator==(dims const& a, dims const& b) {
    if (a.rank != b.rank) return false;
    for (int i = 0; i < a.rank; ++i)
      if (a.size[i] != b.size[i]) return false;
    return true;
  }
};

// Right-aligned broadcasting (NumPy's rule): sizes agree or one of them is 1. Rank -1 says that they do not.
constexpr dims broadcast(dims const& a, dims const& b) {
  dims r;
  r.rank = a.rank > b.rank ? a.rank : b.rank;
  for (int i = 1; i <= r.rank; ++i) {
    long x = i <= a.rank ? a[-i] : 1, y = i <= b.rank ? b[-i] : 1;
    if (x != y && x != 1 && y != 1) {
      r.rank = -1;
      return r;
    }
    r[-i] = x == 1 ? y : x;
  }
  return r;
}

// Row-major element strides.
constexpr dims contiguous_strides(dims const& shape) {
  dims r;
  r.rank = shape.rank;
  long step = 1;
  for (int i = shape.rank - 1; i >= 0; --i) {
    r.size[i] = step;
    step *= shape.size[i];
  }
  return r;
}

inline std::string to_string(dims const& d) {
  std::string s = "[";
  for (int i = 0; i < d.rank; ++i) s += (i ? ", " : "") + std::to_string(d.size[i]);
  return s + "]";
}

}  // namespace formwork
