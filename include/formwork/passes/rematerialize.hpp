// rematerialize: what a backward loop needs of the forward loop is either kept for every iteration or computed
// again in the backward loop (Griewank & Walther 2008, ch. 12). Cheap elementwise values over kept ones are always
// computed again: loading them would cost more.
#pragma once

#include "uses.hpp"

namespace formwork {

namespace detail {

class rematerializer {
 public:
  constexpr explicit rematerializer(graph const& g) : from(g), uses(g), r(g), decision(g.nodes.size(), undecided) {}

  constexpr graph run() {
    mark_natural();
    for (int i = 0; i < from.size(); ++i)
      if (r.live[static_cast<std::size_t>(i)] && is_elementwise(from[i].what) && !in_score(i) && crosses(i)) decide(i);
    copies.resize(from.nodes.size() * from.scopes.size(), -1);
    for (int i = 0; i < from.size(); ++i) {
      if (!r.live[static_cast<std::size_t>(i)]) continue;
      node n = from[i];
      for (int k = 0; k < n.inputs; ++k) {
        int& x = n.in[static_cast<std::size_t>(k)];
        if (x < 0 || (n.what == kind::carry && k == 1)) continue;
        x = import(x, n.scope);
      }
      r.to.nodes.push_back(n);
      r.number[static_cast<std::size_t>(i)] = r.to.size() - 1;
    }
    return r.finish();
  }

 private:
  enum choice : char { undecided, keep, recompute };
  graph const& from;
  use_table uses;
  rewrite r;
  std::vector<choice> decision;
  std::vector<char> natural;
  std::vector<int> copies;  // (node, scope) -> the node computed again there

  constexpr bool in_score(int x) const { return from.scopes[static_cast<std::size_t>(from[x].scope)].what == scope_kind::score; }
  // A finished loop's value, seen from `scope`.
  constexpr bool outside(int x, int scope) const { return !from.encloses(from[x].scope, scope); }

  constexpr bool read_outside(int id, int scope) const {
    for (auto u : uses[id]) {
      if (u.user < 0) continue;
      if (outside_of(scope, from[u.user].scope)) return true;
      if (is_view(from[u.user].what) && read_outside(u.user, scope)) return true;
    }
    return false;
  }
  constexpr bool outside_of(int scope, int reader) const { return !from.encloses(scope, reader); }
  constexpr bool crosses(int id) const { return from[id].scope != 0 && read_outside(id, from[id].scope); }

  // The end of a product's epilogue is in memory in any case.
  constexpr void mark_natural() {
    natural.assign(from.nodes.size(), 0);
    for (int i = 0; i < from.size(); ++i) {
      kind k = from[i].what;
      if (k == kind::carry || k == kind::parameter || k == kind::input || k == kind::attend || k == kind::result)
        natural[static_cast<std::size_t>(i)] = 1;
      if (k != kind::contract || !r.live[static_cast<std::size_t>(i)]) continue;
      int v = i;
      for (int u = only_elementwise_user(from, uses, v); u >= 0; u = only_elementwise_user(from, uses, v)) v = u;
      natural[static_cast<std::size_t>(v)] = 1;
    }
  }

  // The price of computing x again, in operations per element; negative: it must be kept.
  constexpr int price(int x, long size) const {
    node const& n = from[x];
    if (is_generator(n.what)) return n.what == kind::random ? -1 : 0;
    if (is_view(n.what)) return price(n.in[0], size);
    if (n.shape.elements() < size || natural[static_cast<std::size_t>(x)] || decision[static_cast<std::size_t>(x)] == keep) return 0;
    if (!is_elementwise(n.what)) return -1;
    if (n.op && !n.op->cheap) return -1;
    int sum = n.op ? n.op->flops : 1;
    for (int k = 0; k < n.inputs; ++k) {
      int p = price(n.in[static_cast<std::size_t>(k)], size);
      if (p < 0) return -1;
      sum += p;
    }
    return sum;
  }

  constexpr void decide(int i) {
    choice& d = decision[static_cast<std::size_t>(i)];
    if (natural[static_cast<std::size_t>(i)]) {
      d = keep;
      return;
    }
    int p = price(i, from[i].shape.elements());
    d = p >= 0 && p <= 8 && !small(i) ? recompute : keep;
    if (d == recompute) mark_path(i);
  }
  // One value a row: kept, since it costs little.
  constexpr bool small(int i) const { return from[i].shape.elements() > 1 && from[i].shape[-1] == 1; }

  constexpr void mark_path(int i) {
    for (int k = 0; k < from[i].inputs; ++k) {
      int x = from[i].in[static_cast<std::size_t>(k)];
      while (is_view(from[x].what)) x = from[x].in[0];
      if (!is_elementwise(from[x].what) || decision[static_cast<std::size_t>(x)] != undecided) continue;
      if (natural[static_cast<std::size_t>(x)] || from[x].shape.elements() < from[i].shape.elements()) decision[static_cast<std::size_t>(x)] = keep;
      else {
        decision[static_cast<std::size_t>(x)] = recompute;
        mark_path(x);
      }
    }
  }

  constexpr bool leads_to_recompute(int x) const {
    while (is_view(from[x].what)) x = from[x].in[0];
    return decision[static_cast<std::size_t>(x)] == recompute;
  }

  constexpr int import(int x, int scope) {
    if (!outside(x, scope) || !leads_to_recompute(x)) return r.number[static_cast<std::size_t>(x)];
    int& copy = copies[static_cast<std::size_t>(x) * from.scopes.size() + static_cast<std::size_t>(scope)];
    if (copy >= 0) return copy;
    node n = from[x];
    for (int k = 0; k < n.inputs; ++k) n.in[static_cast<std::size_t>(k)] = import(n.in[static_cast<std::size_t>(k)], scope);
    n.scope = static_cast<std::int16_t>(scope);
    r.to.nodes.push_back(n);
    return copies[static_cast<std::size_t>(x) * from.scopes.size() + static_cast<std::size_t>(scope)] = r.to.size() - 1;
  }
};

}  // namespace detail

constexpr graph rematerialize(graph const& g) { return detail::rematerializer(g).run(); }

}  // namespace formwork
