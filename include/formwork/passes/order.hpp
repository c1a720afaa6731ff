// After the groups are formed: which values lie in memory, and the order in which the groups run.
#pragma once

#include "group.hpp"
#include "uses.hpp"

namespace formwork::detail {

// What group k reads from memory; a concatenation counts itself and its parts. A member computed here once more may
// also be read, where another member wants another view of it.
constexpr std::vector<int> reads_of(fusion const& f, int k, std::vector<int>& seen) {
  graph const& g = f.g;
  group const& K = f.groups[static_cast<std::size_t>(k)];
  std::vector<int> open, reads;
  for (int m : K.members) {
    node const& n = g[m];
    for (int j = 0; j < n.inputs; ++j)
      if (n.in[static_cast<std::size_t>(j)] >= 0 && member_operand(g, K, n, j) < 0) open.push_back(n.in[static_cast<std::size_t>(j)]);
  }
  while (!open.empty()) {
    int x = storage_behind(g, open.back());
    open.pop_back();
    if (seen[static_cast<std::size_t>(x)] == k + 1) continue;
    seen[static_cast<std::size_t>(x)] = k + 1;
    node const& n = g[x];
    if (g.scopes[static_cast<std::size_t>(n.scope)].what == scope_kind::score || n.what == kind::concatenate) {
      for (int j = 0; j < n.inputs; ++j)
        if (n.in[static_cast<std::size_t>(j)] >= 0) open.push_back(n.in[static_cast<std::size_t>(j)]);
      if (n.what == kind::concatenate) reads.push_back(x);
    } else if (!is_generator(n.what)) {
      reads.push_back(x);
    }
  }
  return reads;
}

constexpr void settle(fusion& f) {
  graph const& g = f.g;
  for (auto& k : f.groups) {  // node numbers are an order of evaluation
    for (std::size_t i = 1; i < k.members.size(); ++i)
      for (std::size_t j = i; j > 0 && k.members[j - 1] > k.members[j]; --j) std::swap(k.members[j - 1], k.members[j]);
  }
  for (auto& s : f.stored) s = 0;
  std::vector<int> seen(g.nodes.size(), 0);
  for (std::size_t k = 0; k < f.groups.size(); ++k) {
    f.reads.push_back(reads_of(f, static_cast<int>(k), seen));
    for (int x : f.reads[k]) {
      f.stored[static_cast<std::size_t>(x)] = 1;
      int o = f.owner[static_cast<std::size_t>(origin_of(g, x))];
      if (o == static_cast<int>(k) && g[x].what != kind::concatenate) throw "a kernel waits for a value that it computes itself: please report it with describe() of the program";
      if (o >= 0 && o != static_cast<int>(k)) f.depend(static_cast<int>(k), o);
    }
  }
  for (auto const& o : g.outputs) f.stored[static_cast<std::size_t>(storage_behind(g, o.node))] = 1;
  for (int i = g.size() - 1; i >= 0; --i) {
    if (is_loop_view(g[i].what) && f.stored[static_cast<std::size_t>(i)]) f.stored[static_cast<std::size_t>(storage_behind(g, g[i].in[0]))] = 1;
    if (g[i].what == kind::carry)
      for (int j = 0; j < 2; ++j) f.stored[static_cast<std::size_t>(storage_behind(g, g[i].in[static_cast<std::size_t>(j)]))] = 1;
    int o = f.owner[static_cast<std::size_t>(i)];
    if (o >= 0 && (g[i].what == kind::attend || g[i].what == kind::attend_backward || g[i].what == kind::result || g[i].what == kind::scatter || g[i].what == kind::replace))
      f.stored[static_cast<std::size_t>(i)] = 1;
    if (g[i].what == kind::concatenate && f.stored[static_cast<std::size_t>(i)])
      for (int j = 0; j < g[i].inputs; ++j) f.stored[static_cast<std::size_t>(storage_behind(g, g[i].in[static_cast<std::size_t>(j)]))] = 1;
  }
}

// Topological order; a loop runs as one item, all its groups together.
constexpr void order_groups(fusion& f) {
  graph const& g = f.g;
  std::size_t n = f.groups.size();
  auto runs = [](group const& k) { return !k.members.empty() && !k.absorbed; };
  auto loop_of = [&](int k) { return f.groups[static_cast<std::size_t>(k)].scope; };
  auto item_waits = [&](int scope, int j) {  // does any group of a loop wait for group j of another scope?
    for (std::size_t k = 0; k < n; ++k)
      if (loop_of(static_cast<int>(k)) == scope && f.depends(static_cast<int>(k), j)) return true;
    for (int i = 0; i < g.size(); ++i)
      if (g[i].what == kind::carry && g[i].scope == scope && f.owner[static_cast<std::size_t>(origin_of(g, g[i].in[0]))] == j) return true;
    return false;
  };
  auto reads_final = [&](int k, int scope) {
    bool found = false;
    for (int x : f.reads[static_cast<std::size_t>(k)]) {
      x = origin_of(g, x);
      if (g[x].what == kind::final && g[g[x].in[0]].scope == scope) found = true;
      if (g[x].scope == scope && scope != 0 && loop_of(k) != scope) found = true;
    }
    return found;
  };
  auto loop_reads_final = [&](int scope, int of) {
    for (int i = 0; i < g.size(); ++i)
      if (g[i].what == kind::carry && g[i].scope == scope) {
        int s = origin_of(g, g[i].in[0]);
        if (g[s].what == kind::final && g[g[s].in[0]].scope == of) return true;
      }
    for (std::size_t k = 0; k < n; ++k)
      if (loop_of(static_cast<int>(k)) == scope && reads_final(static_cast<int>(k), of)) return true;
    return false;
  };

  // Items: top-level groups by number, then loops. after[a][b]: item a waits for item b.
  std::size_t scopes = g.scopes.size();
  std::vector<char> is_item(n + scopes, 0);
  for (std::size_t k = 0; k < n; ++k) is_item[loop_of(static_cast<int>(k)) == 0 ? k : n + static_cast<std::size_t>(loop_of(static_cast<int>(k)))] = 1;
  std::vector<std::vector<char>> after(n + scopes, std::vector<char>(n + scopes, 0));
  for (std::size_t a = 0; a < n + scopes; ++a)
    for (std::size_t b = 0; b < n + scopes; ++b) {
      if (!is_item[a] || !is_item[b] || a == b) continue;
      bool wait = false;
      if (a < n && b < n) wait = f.depends(static_cast<int>(a), static_cast<int>(b));
      else if (a >= n && b < n) wait = item_waits(static_cast<int>(a - n), static_cast<int>(b));
      else if (a < n) {
        for (std::size_t k = 0; k < n && !wait; ++k)
          wait = loop_of(static_cast<int>(k)) == static_cast<int>(b - n) && f.depends(static_cast<int>(a), static_cast<int>(k));
        wait = wait || reads_final(static_cast<int>(a), static_cast<int>(b - n));
      } else {
        for (std::size_t k = 0; k < n && !wait; ++k)
          wait = loop_of(static_cast<int>(k)) == static_cast<int>(b - n) && item_waits(static_cast<int>(a - n), static_cast<int>(k));
        wait = wait || loop_reads_final(static_cast<int>(a - n), static_cast<int>(b - n));
      }
      after[a][b] = wait;
    }
  std::vector<char> done(n + scopes, 0);
  auto emit_loop = [&](int scope) {
    for (bool progress = true; progress;) {
      progress = false;
      for (std::size_t k = 0; k < n; ++k) {
        if (loop_of(static_cast<int>(k)) != scope || done[k]) continue;
        bool ready = true;
        for (std::size_t j = 0; j < n; ++j)
          if (!done[j] && loop_of(static_cast<int>(j)) == scope && f.depends(static_cast<int>(k), static_cast<int>(j))) ready = false;
        if (!ready) continue;
        done[k] = 1;
        if (runs(f.groups[k])) f.order.push_back(static_cast<int>(k));
        progress = true;
      }
    }
  };
  for (bool progress = true; progress;) {
    progress = false;
    for (std::size_t a = 0; a < n + scopes; ++a) {
      if (!is_item[a] || done[a]) continue;
      bool ready = true;
      for (std::size_t b = 0; b < n + scopes; ++b)
        if (is_item[b] && !done[b] && after[a][b]) ready = false;
      if (!ready) continue;
      if (a < n) {
        if (runs(f.groups[a])) f.order.push_back(static_cast<int>(a));
      } else emit_loop(static_cast<int>(a - n));
      done[a] = 1;
      progress = true;
    }
  }
  std::size_t used = 0;
  for (auto const& k : f.groups) used += runs(k);
  if (f.order.size() != used) throw "the groups of this program wait for each other: please report it with describe() of the program";
}

}  // namespace formwork::detail
