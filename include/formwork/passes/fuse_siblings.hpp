// Two kernels become one.
#pragma once

#include "fuse_operands.hpp"

namespace formwork::detail {

struct group_merger : operand_reader {
  fusion& f;

  // Group a becomes both, over the domain that fits both.
  constexpr void merge(int a, int b) {
    group &A = f.groups[static_cast<std::size_t>(a)], &B = f.groups[static_cast<std::size_t>(b)];
    fits(A, {B.domain, B.rows}, &A.domain);
    if (A.rows < 0) A.rows = B.rows;
    f.merge(a, b);
  }

  // Kernels over the same rows that read a common operand become one, unless one waits for the other.
  constexpr void siblings() {
    for (std::size_t a = 0; a < f.groups.size(); ++a)
      for (std::size_t b = a + 1; b < f.groups.size(); ++b) {
        group const &A = f.groups[a], &B = f.groups[b];
        if (A.what != skeleton::rows || B.what != skeleton::rows || A.scope != B.scope || B.members.empty() || A.members.empty()) continue;
        if (f.depends(static_cast<int>(a), static_cast<int>(b)) || f.depends(static_cast<int>(b), static_cast<int>(a))) continue;
        if (B.domain.elements() != A.domain.elements() || !fits(A, {B.domain, B.rows}) || !share_operand(A, B)) continue;
        merge(static_cast<int>(a), static_cast<int>(b));
      }
  }
  constexpr bool share_operand(group const& A, group const& B) const {
    for (int m : A.members)
      for (int j = 0; j < g[m].inputs; ++j) {
        int x = g[m].in[static_cast<std::size_t>(j)];
        if (x < 0) continue;
        x = base(x);
        if (is_generator(g[x].what) || g[x].shape.elements() < A.domain.elements()) continue;
        for (int n : B.members)
          for (int i = 0; i < g[n].inputs; ++i)
            if (g[n].in[static_cast<std::size_t>(i)] >= 0 && base(g[n].in[static_cast<std::size_t>(i)]) == x) return true;
      }
    return false;
  }
};

}  // namespace formwork::detail
