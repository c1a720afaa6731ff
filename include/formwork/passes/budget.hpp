// rematerialize for a budget: which of the values that a forward loop keeps for its backward loop are computed again
// instead, so that the workspace fits a number of bytes (Chen et al. 2016, arXiv:1604.06174, chosen by price). Values
// are taken in the order of floating-point operations added per byte saved, each priced with what is chosen already;
// in the end only the loop's variable is kept: a checkpoint per layer. The plan of the fused program decides.
#pragma once

#include "canonicalize.hpp"
#include "cost.hpp"
#include "fuse.hpp"
#include "../program/frozen_graph.hpp"
#include "rematerialize.hpp"

namespace formwork {

struct rematerialize_options {
  long budget_bytes = -1;  // of memory_plan::workspace_bytes; below 0: no budget
  fuse_options fusing{};   // of the program that is planned
};

// Values that are computed again for a budget's sake, by their numbers in the program (keep and recompute taken out).
struct rematerialize_choices {
  static constexpr int most = 96;
  int node[most]{};
  int count = 0;
  long workspace_bytes = -1;  // of the program with these choices; -1: not planned
  long flops_added = 0;       // by them, per execution
};

// A search between two plans. A program's plan is a good part of what a constant expression may cost, so that each
// step is one of its own: see found_choices.
struct budget_search {
  enum class stage : std::uint8_t { start, choose, restore, done };
  stage at = stage::start;
  rematerialize_choices best, last;
  int skipped = 0;  // of the dearest choices, when what is kept again turned out not to fit
};

namespace detail {

class budget_searcher {
 public:
  constexpr budget_searcher(graph const& g, std::vector<remat_choice> const& pins, budget_search state, rematerialize_options o)
      : from(g), m(g, pins), s(state), budget(o.budget_bytes), fusing(o.fusing) {}

  // Goes on until after the next plan.
  constexpr budget_search run() {
    using enum budget_search::stage;
    switch (s.at) {
      case start:
        s.best = s.last = planned(s.last);
        s.at = s.best.workspace_bytes <= budget ? done : choose;
        break;
      case choose:
        find_candidates();
        choose_more();
        break;
      case restore:
        find_candidates();
        if (keep_again() || ++s.skipped > 2) s.at = done;
        break;
      case done: break;
    }
    return s;
  }

  // The program with some choices carried out.
  constexpr graph program(rematerialize_choices const& c) {
    if (c.count > 0) m.settle();
    for (int i = 0; i < c.count; ++i) m.recompute(c.node[i]);
    return m.emit();
  }

 private:
  struct candidate { int node; long bytes; };
  graph const& from;
  rematerializer m;
  budget_search s;
  long budget;
  fuse_options fusing;
  std::vector<candidate> candidates;
  std::vector<int> seen;
  int stamp = 0;

  constexpr rematerialize_choices planned(rematerialize_choices c) {
    c.workspace_bytes = plan_memory(fuse(canonicalize(m.emit()), fusing)).workspace_bytes;
    return c;
  }

  // Steps until the budget may be met: a step frees at most what it no longer stores.
  constexpr void choose_more() {
    using enum budget_search::stage;
    rematerialize_choices c = s.last;
    for (int i = 0; i < c.count; ++i) m.recompute(c.node[i]);
    long over = s.last.workspace_bytes - budget;
    while (over > 0 && c.count < c.most) {
      candidate next = cheapest(c);
      if (next.node < 0) break;
      c.flops_added += price(next.node);
      c.node[c.count++] = next.node;
      m.recompute(next.node);
      over -= next.bytes;
    }
    if (c.count == s.last.count) {
      s.at = done;
      return;
    }
    s.last = planned(c);
    if (s.last.workspace_bytes < s.best.workspace_bytes) s.best = s.last;
    if (s.last.workspace_bytes <= budget) s.at = restore;
  }

  // The last steps may have freed more than was asked for: keeps again what costs most, as far as it fits. False: the
  // plan says that it does not.
  constexpr bool keep_again() {
    rematerialize_choices c;
    long room = budget - s.best.workspace_bytes;
    int skips = s.skipped;
    std::vector<char> kept(static_cast<std::size_t>(s.best.count), 0);
    for (;;) {
      int most = -1;
      long most_flops = 0, freed = 0;
      for (int i = 0; i < s.best.count; ++i) {
        if (kept[static_cast<std::size_t>(i)]) continue;
        long flops = price(s.best.node[i]), bytes = bytes_of(s.best.node[i]);
        if (bytes > room || flops <= most_flops) continue;
        most = i;
        most_flops = flops;
        freed = bytes;
      }
      if (most < 0) break;
      const bool skip = skips > 0;
      kept[static_cast<std::size_t>(most)] = skip ? 2 : 1;
      if (skip) --skips;
      else room -= freed;
    }
    for (int i = 0; i < s.best.count; ++i) {
      if (kept[static_cast<std::size_t>(i)] == 1) continue;
      c.flops_added += price(s.best.node[i]);
      c.node[c.count++] = s.best.node[i];
      m.recompute(s.best.node[i]);
    }
    if (c.count == s.best.count) return true;
    c = planned(c);
    if (c.workspace_bytes > budget) return false;
    if (c.flops_added < s.best.flops_added) s.best = c;
    return true;
  }

  constexpr void find_candidates() {
    seen.assign(from.nodes.size(), 0);
    m.settle();
    for (int x : m.kept()) {
      long count = iterations_of(from, from[x].scope);
      int r = m.root(x);
      if (count == 1 || m.pinned(r, remat_choice::keep)) continue;
      long bytes = count * round_up(from[x].shape.elements() * static_cast<long>(size_of(from[x].type)), 64);
      bool joined = false;
      for (auto& c : candidates)
        if (c.node == r) {
          c.bytes += bytes;
          joined = true;
        }
      if (!joined) candidates.push_back({r, bytes});
    }
  }
  constexpr long bytes_of(int x) const {
    for (auto const& c : candidates)
      if (c.node == x) return c.bytes;
    return 0;
  }

  // Of computing x again with what is chosen already, per execution of the program.
  constexpr long price(int x) {
    long sum = 0;
    for (int y : m.closure(x, seen, ++stamp)) sum += flops_of(from, y);
    return sum * iterations_of(from, from[x].scope);
  }

  constexpr candidate cheapest(rematerialize_choices const& taken) {
    candidate best{-1, 1};
    long best_price = 0;
    for (auto const& c : candidates) {
      bool again = false;
      for (int i = 0; i < taken.count; ++i) again = again || taken.node[i] == c.node;
      if (again) continue;
      long p = price(c.node);
      if (best.node >= 0 && static_cast<double>(p) * static_cast<double>(best.bytes) >= static_cast<double>(best_price) * static_cast<double>(c.bytes)) continue;
      best = c;
      best_price = p;
    }
    return best;
  }
};

}  // namespace detail

// One step of a search.
constexpr budget_search advance(graph const& g, budget_search const& s, rematerialize_options options) {
  detail::unpinned u = detail::take_pins(g);
  return detail::budget_searcher(u.g, u.pin, s, options).run();
}

constexpr rematerialize_choices search_choices(graph const& g, rematerialize_options options) {
  budget_search s;
  while (s.at != budget_search::stage::done) s = advance(g, s, options);
  return s.best;
}

// The least workspace that a budget can ask for, in bytes.
constexpr long smallest_workspace(graph const& g) { return search_choices(g, {.budget_bytes = 0}).workspace_bytes; }

constexpr graph rematerialize(graph const& g, rematerialize_choices const& c) {
  detail::unpinned u = detail::take_pins(g);
  return detail::budget_searcher(u.g, u.pin, {}, {}).program(c);
}

// Throws where the choices of a search do not meet their budget.
constexpr rematerialize_choices within(rematerialize_options options, rematerialize_choices const& c) {
  if (options.budget_bytes >= 0 && c.workspace_bytes > options.budget_bytes)
    throw "the budget is too small for this program even if everything is computed again: smallest_workspace(program) is the number of bytes that it needs";
  return c;
}

constexpr graph rematerialize(graph const& g, rematerialize_options options) {
  return options.budget_bytes < 0 ? rematerialize(g) : rematerialize(g, within(options, search_choices(g, options)));
}

// The same choices as search_choices, found in constant expressions of one plan each. Program::traced is the program,
// Program::fusing how it is fused.
// Where the budget cannot be met they are those of the smallest workspace.
template <class Program, long Budget, int Step = 0> struct found_choices {
  static constexpr budget_search last = [] {
    if constexpr (Step == 0) return budget_search{};
    else return found_choices<Program, Budget, Step - 1>::state;
  }();
  static constexpr budget_search state = advance(thaw(Program::traced), last, {.budget_bytes = Budget, .fusing = Program::fusing});
};

template <class Program, long Budget, int Step = 0> constexpr rematerialize_choices search_choices_in_steps() {
  using found = found_choices<Program, Budget, Step>;
  if constexpr (found::state.at == budget_search::stage::done) return found::state.best;
  else return search_choices_in_steps<Program, Budget, Step + 1>();
}

}  // namespace formwork
