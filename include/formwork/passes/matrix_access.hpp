// How a product reads an operand: the strides of its batches, of its rows or columns, and of what is summed over.
#pragma once

#include "access.hpp"

namespace formwork {

// In elements. outer: from row to row of A, from column to column of B; inner: along what is summed over.
struct matrix_strides { long batch = 0, outer = 0, inner = 0; };

struct matrix_access {
  matrix_strides stride;
  long outer_extent = 1, inner_extent = 1;
  bool ok = false;  // false: batch axes that no single stride describes
};

// which: 0 for A [..., outer, inner], 1 for B [..., inner, outer]. An axis of size 1 has stride 0.
constexpr matrix_access as_matrix(access const& a, int which) {
  matrix_access r;
  const int rank = a.shape.rank, outer = which == 0 ? rank - 2 : rank - 1, inner = which == 0 ? rank - 1 : rank - 2;
  const address batch = coalesce(a.shape, a.stride, 0, rank - 2);
  auto step = [&](int axis) { return a.shape.size[axis] == 1 ? 0 : a.stride.size[axis]; };
  r.stride = {batch.rank == 1 ? batch.stride[0] : 0, step(outer), step(inner)};
  r.outer_extent = a.shape.size[outer];
  r.inner_extent = a.shape.size[inner];
  r.ok = a.ok && batch.rank <= 1;
  return r;
}

}  // namespace formwork
