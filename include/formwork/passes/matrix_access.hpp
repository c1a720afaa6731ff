// How a product reads an operand: the strides of its batches, of its rows or columns, and of what is summed over.
#pragma once

#include "access.hpp"

namespace formwork {

// In elements. outer: from row to row of A, from column to column of B; inner: along what is summed over. B may lie in
// panels of `panel` adjacent columns each: then outer is from panel to panel.
struct matrix_strides { long batch = 0, outer = 0, inner = 0, panel = 0; };

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

// B [K, N] as the first N columns of P panels, each K rows of W adjacent elements: what a packed matrix (run/packed.hpp)
// is traced as, a reshape of [K, P, W] that no strides describe, or its slice. Else not ok.
template <class Layout> constexpr matrix_access as_panels(graph const& g, int x, Layout const& layout) {
  matrix_access r;
  const dims of = g[x].shape;
  if (of.rank != 2) return r;
  if (g[x].what == kind::slice && g[x].attribute[0] == 0 && g[x].attribute[1] == 0 && g[g[x].in[0]].shape[0] == of[0]) x = g[x].in[0];
  if (!is_reshape(g, x)) return r;
  const access a = resolve(g, g[x].in[0], layout);
  if (!a.ok || a.offset != 0 || a.shape.rank != 3 || a.shape[0] != of[0] || a.stride[2] != 1 || a.stride[0] != a.shape[2]) return r;
  r.stride = {0, a.stride[1], a.stride[0], a.shape[2]};
  r.outer_extent = of[1];
  r.inner_extent = of[0];
  r.ok = true;
  return r;
}

}  // namespace formwork
