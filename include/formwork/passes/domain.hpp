// Index arithmetic on shapes and strides: when two shapes enumerate the same elements, what a view of strided
// storage looks like through a reshape, and the shortest description of an address.
#pragma once

#include "../shape/dims.hpp"

namespace formwork {

// The coarsest shape whose axes split the axes of both; rank -1 where there is none. Sizes of 1 vanish.
constexpr dims refine(dims const& a, dims const& b) {
  dims reversed;
  long x = 1, y = 1, done = 1;  // products of the axes taken from the right, and of the result
  int i = a.rank - 1, j = b.rank - 1;
  while (i >= 0 || j >= 0) {
    while (i >= 0 && x == done) x *= a.size[i--];
    while (j >= 0 && y == done) y *= b.size[j--];
    long next = x == done ? y : y == done ? x : (x < y ? x : y);
    if (next == done) continue;
    if (next % done != 0 || (x != done && x % next != 0) || (y != done && y % next != 0) || reversed.rank == max_rank) {
      reversed.rank = -1;
      return reversed;
    }
    reversed.push_back(next / done);
    done = next;
  }
  dims r;
  for (int k = reversed.rank - 1; k >= 0; --k) r.push_back(reversed.size[k]);
  return r;
}

// Strides of the same storage under another shape; false where no strides exist.
constexpr bool restride(dims const& from, dims const& stride, dims const& to, dims& result) {
  result = to;
  int i = from.rank - 1;
  long have = 1, step = 0;  // the part of the source axes at hand: `have` elements, `step` apart
  long taken = 1;
  for (int k = to.rank - 1; k >= 0; --k) {
    if (to.size[k] == 1) {
      result.size[k] = 0;
      continue;
    }
    if (taken == have) {
      while (i >= 0 && from.size[i] == 1) --i;
      if (i < 0) return false;
      have = from.size[i];
      step = stride.size[i];
      taken = 1;
      --i;
    }
    // Grow the source run until it is a number of whole target axes: [4, 9] becomes [6, 6] as one run of 36.
    while (have % (taken * to.size[k]) != 0) {
      while (i >= 0 && from.size[i] == 1) --i;
      if (i < 0 || stride.size[i] != step * have) return false;
      have *= from.size[i];
      --i;
    }
    result.size[k] = step * taken;
    taken *= to.size[k];
  }
  return true;
}

// An address as a sum over axes, written with as few axes as possible: sizes of 1 dropped, neighbours merged.
struct address {
  int rank = 0;
  long extent[max_rank]{};
  long stride[max_rank]{};
};

constexpr address coalesce(dims const& shape, dims const& stride, int first, int last) {
  address a;
  for (int i = first; i < last; ++i) {
    if (shape.size[i] == 1) continue;
    if (a.rank > 0 && a.stride[a.rank - 1] == stride.size[i] * shape.size[i]) {
      a.extent[a.rank - 1] *= shape.size[i];
      a.stride[a.rank - 1] = stride.size[i];
    } else {
      a.extent[a.rank] = shape.size[i];
      a.stride[a.rank++] = stride.size[i];
    }
  }
  return a;
}

// The number of leading axes of a shape whose product is `rows`; -1 where the boundary falls inside an axis.
constexpr int split_at(dims const& shape, long rows) {
  long n = 1;
  for (int i = 0; i <= shape.rank; ++i) {
    if (n == rows) {
      // Axes of size 1 at the boundary belong to the columns.
      return i;
    }
    if (i < shape.rank) n *= shape.size[i];
  }
  return -1;
}

}  // namespace formwork
