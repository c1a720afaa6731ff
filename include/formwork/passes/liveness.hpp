// liveness: which groups read a stored value, from when until when it is needed, and what may be written over it.
#pragma once

#include "stages.hpp"

namespace formwork::detail {

class liveness {
 public:
  constexpr explicit liveness(fusion const& fused) : f(fused), g(fused.g), position(fused.groups.size(), 0) {
    for (std::size_t p = 0; p < f.order.size(); ++p) position[static_cast<std::size_t>(f.order[p])] = static_cast<int>(p);
    find_loops();
    collect_reads();
  }

 protected:
  fusion const& f;
  graph const& g;
  std::vector<int> position;              // group -> place in the order
  std::vector<int> loop_begin, loop_end;  // scope -> first and last position
  std::vector<std::vector<int>> readers;  // node -> groups that read it

  constexpr int owner(int x) const { return f.owner[static_cast<std::size_t>(x)]; }

  constexpr int last_read(int x, int from) const {
    int last = from;
    for (int k : readers[static_cast<std::size_t>(x)]) {
      int p = position[static_cast<std::size_t>(k)], s = f.groups[static_cast<std::size_t>(k)].scope;
      // Read inside a loop that it does not belong to: needed in every iteration.
      if (s != 0 && g[x].scope != s) p = loop_end[static_cast<std::size_t>(s)];
      last = p > last ? p : last;
    }
    return last;
  }
  constexpr bool read_elsewhere(int x) const {
    for (int k : readers[static_cast<std::size_t>(x)])
      if (f.groups[static_cast<std::size_t>(k)].scope != g[x].scope) return true;
    return false;
  }

  // May the group that computes `result` write it over `operand`? Then every other reader of the operand has run
  // (in this iteration), and the group itself reads each element before it writes that element.
  constexpr bool overwrites_safely(int result, int operand) const {
    int k = owner(result), at = position[static_cast<std::size_t>(k)];
    group const& K = f.groups[static_cast<std::size_t>(k)];
    bool reads = false;
    for (int r : readers[static_cast<std::size_t>(operand)]) {
      if (f.groups[static_cast<std::size_t>(r)].scope != K.scope || position[static_cast<std::size_t>(r)] > at) return false;
      reads = reads || r == k;
    }
    if (!reads) return true;
    for (int p : K.prologue)
      if (p >= 0)
        for (int x : f.reads[static_cast<std::size_t>(p)])
          if (x == operand) return false;
    if (K.what != skeleton::rows && K.what != skeleton::contract) return false;
    if (g[result].shape.elements() != K.domain.elements()) return false;
    stage_plan stages = plan_stages(f, K);
    int store = stages.first[static_cast<std::size_t>(member_index(K, result))];
    for (std::size_t i = 0; i < K.members.size(); ++i) {
      node const& n = g[K.members[i]];
      for (int j = 0; j < n.inputs; ++j) {
        int x = n.in[static_cast<std::size_t>(j)];
        if (x < 0 || storage_behind(g, x) != operand) continue;
        if (!is_elementwise(n.what) && !is_reduction(n.what)) return false;
        if (behind_reshapes(g, x) != operand || g[operand].shape.elements() != K.domain.elements()) return false;
        if (stages.at[i] == level::row && is_elementwise(n.what)) return false;
        if ((stages.evaluated[i] >> (store + 1)) != 0) return false;
        // In one stage results are stored after all operands are loaded, vector by vector; a pure column kernel
        // walks rows inside columns, which is as good.
      }
    }
    return true;
  }

 private:
  constexpr void find_loops() {
    loop_begin.assign(g.scopes.size(), -1);
    loop_end.assign(g.scopes.size(), -1);
    for (std::size_t p = 0; p < f.order.size(); ++p) {
      std::size_t s = static_cast<std::size_t>(f.groups[static_cast<std::size_t>(f.order[p])].scope);
      if (s == 0) continue;
      if (loop_begin[s] < 0) loop_begin[s] = static_cast<int>(p);
      loop_end[s] = static_cast<int>(p);
    }
  }

  constexpr void collect_reads() {
    readers.resize(g.nodes.size());
    for (int k : f.order)
      for (int x : f.reads[static_cast<std::size_t>(k)]) readers[static_cast<std::size_t>(x)].push_back(k);
    // A part of a concatenation is read when the whole is, and what a loop reads or leaves under the other name.
    for (int i = g.size() - 1; i >= 0; --i)
      if (g[i].what == kind::concatenate || is_loop_view(g[i].what))
        for (int j = 0; j < g[i].inputs; ++j)
          for (int k : readers[static_cast<std::size_t>(i)]) readers[static_cast<std::size_t>(storage_behind(g, g[i].in[static_cast<std::size_t>(j)]))].push_back(k);
  }
};

}  // namespace formwork::detail
