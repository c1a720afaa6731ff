// rematerialize: what a backward loop needs of the forward loop is either kept for every iteration or computed
// again in the backward loop (Griewank & Walther 2008, ch. 12). Cheap elementwise values over kept ones are always
// computed again: loading them would cost more. keep(x) and recompute(x) in the model decide otherwise; so does a
// budget of bytes (passes/budget.hpp).
#pragma once

#include "../ops/keep.hpp"
#include "../ops/recompute.hpp"
#include "uses.hpp"

namespace formwork {

namespace detail {

enum class remat_choice : char { undecided, keep, recompute };

// The program without keep(x) and recompute(x), and what they say about the nodes that remain.
struct unpinned {
  graph g;
  std::vector<remat_choice> pin;
};

constexpr bool is_pin(node const& n) {
  return n.what == kind::map && (n.op == op_of<ops::keep>() || n.op == op_of<ops::recompute>());
}
constexpr bool has_pins(graph const& g) {
  for (node const& n : g.nodes)
    if (is_pin(n)) return true;
  return false;
}
constexpr unpinned take_pins(graph const& g) {
  if (!has_pins(g)) return {g, {}};
  rewrite r(g);
  std::vector<remat_choice> pin(g.nodes.size(), remat_choice::undecided);
  graph to = r.run([&](node n, int) {
    if (!is_pin(n)) {
      r.to.nodes.push_back(n);
      return r.to.size() - 1;
    }
    pin[static_cast<std::size_t>(storage_behind(r.to, n.in[0]))] = n.op == op_of<ops::keep>() ? remat_choice::keep : remat_choice::recompute;
    return n.in[0];
  });
  pin.resize(to.nodes.size(), remat_choice::undecided);
  return {to, pin};
}

class rematerializer {
 public:
  constexpr rematerializer(graph const& g, std::vector<remat_choice> const& pins = {})
      : decision(g.nodes.size(), choice::undecided), from(g), pin(pins), uses(g), r(g) {
    mark_natural();
    for (std::size_t i = 0; i < pin.size(); ++i)
      if (pin[i] == choice::keep) decision[i] = choice::keep;
    for (int i = 0; i < from.size(); ++i)
      if (live(i) && is_elementwise(from[i].what) && !in_score(i) && crosses(i)) decide(i);
    if (pin.empty()) return;
    settle();
    for (int i = 0; i < from.size(); ++i)
      if (live(i) && pinned(i, choice::recompute) && from[i].scope != 0 && !is_leaf(i)) recompute(i);
  }

  std::vector<remat_choice> decision;

  // The program in which every choice is carried out.
  constexpr graph emit() {
    r.to.nodes.clear();
    r.to.scopes = from.scopes;
    r.to.parameters = from.parameters;
    r.to.inputs = from.inputs;
    r.to.outputs.clear();
    copies.assign(from.nodes.size() * from.scopes.size(), -1);
    for (int i = 0; i < from.size(); ++i) {
      if (!live(i)) continue;
      node n = from[i];
      const int scope = loop_around(n.scope);
      for (int k = 0; k < n.inputs; ++k) {
        int& x = n.in[static_cast<std::size_t>(k)];
        if (x < 0 || (n.what == kind::carry && k == 1)) continue;
        x = n.what == kind::stack ? r.number[static_cast<std::size_t>(x)] : import(x, scope);
      }
      r.to.nodes.push_back(n);
      r.number[static_cast<std::size_t>(i)] = r.to.size() - 1;
    }
    return r.finish();
  }

  // Values of a forward loop that its backward loop reads from memory, in the order of the program: nodes that are
  // stored once per iteration. Loop variables do not count: where they are read they are kept.
  constexpr std::vector<int> kept() const {
    std::vector<char> seen(from.nodes.size(), 0);
    std::vector<int> open, found;
    auto look = [&](int x, int scope) {
      x = storage_behind(from, x);
      if (from[x].scope == 0 || !outside(x, scope) || is_leaf(x) || seen[static_cast<std::size_t>(x)]) return;
      seen[static_cast<std::size_t>(x)] = mirrors(from[x].scope, scope) ? 1 : 2;
      open.push_back(x);
    };
    for (int i = 0; i < from.size(); ++i) {
      if (!live(i) || from[i].scope == 0) continue;
      const int scope = loop_around(from[i].scope);
      for (int k = 0; k < from[i].inputs; ++k)
        if (from[i].in[static_cast<std::size_t>(k)] >= 0) look(from[i].in[static_cast<std::size_t>(k)], scope);
      while (!open.empty()) {
        int x = open.back();
        open.pop_back();
        if (decision[static_cast<std::size_t>(root(x))] == choice::recompute) for (int y : operands(root(x))) look(y, scope);
      }
    }
    for (int i = 0; i < from.size(); ++i)
      if (seen[static_cast<std::size_t>(i)] == 1 && decision[static_cast<std::size_t>(root(i))] != choice::recompute) found.push_back(i);
    return found;
  }

  // What is kept now stays so while other values are chosen to be computed again.
  constexpr void settle() {
    for (int x : kept()) {
      x = root(x);
      if (decision[static_cast<std::size_t>(x)] == choice::undecided && !pinned(x, choice::recompute)) decision[static_cast<std::size_t>(x)] = choice::keep;
    }
  }

  constexpr bool pinned(int x, remat_choice c) const { return !pin.empty() && pin[static_cast<std::size_t>(x)] == c; }

  // The node that is computed when x is: the attention behind a result, the value behind views.
  constexpr int root(int x) const {
    while (is_view(from[x].what) || from[x].what == kind::result) x = from[x].in[0];
    return x;
  }

  // x and what must be computed with it, if everything that is kept now stays so.
  constexpr std::vector<int> closure(int x, std::vector<int>& seen, int stamp) const {
    const int loop = from[x].scope;
    std::vector<int> found{x};
    seen[static_cast<std::size_t>(x)] = stamp;
    for (std::size_t i = 0; i < found.size(); ++i)
      for (int z : operands(found[i])) {
        z = root(z);
        if (from[z].scope != loop || is_leaf(z) || decision[static_cast<std::size_t>(z)] != choice::undecided || seen[static_cast<std::size_t>(z)] == stamp) continue;
        seen[static_cast<std::size_t>(z)] = stamp;
        found.push_back(z);
      }
    return found;
  }

  // Chooses to compute x again, and with it what is not kept.
  constexpr void recompute(int x) {
    std::vector<int> seen(from.nodes.size(), 0);
    for (int y : closure(x, seen, 1)) decision[static_cast<std::size_t>(y)] = choice::recompute;
  }

 private:
  using choice = remat_choice;
  graph const& from;
  std::vector<choice> pin;  // per node, or empty
  use_table uses;
  rewrite r;
  std::vector<char> natural;
  std::vector<int> copies;  // (node, scope) -> the node computed again there

  constexpr bool live(int i) const { return r.live[static_cast<std::size_t>(i)]; }
  constexpr scope_info const& scope_of(int s) const { return from.scopes[static_cast<std::size_t>(s)]; }
  constexpr bool in_score(int x) const { return scope_of(from[x].scope).what == scope_kind::score; }
  constexpr int loop_around(int scope) const { return scope_of(scope).what == scope_kind::score ? scope_of(scope).parent : scope; }
  // There is nothing to compute.
  constexpr bool is_leaf(int x) const {
    kind k = from[x].what;
    return k == kind::carry || k == kind::parameter || k == kind::input || k == kind::final || is_loop_view(k) || is_generator(k) || in_score(x);
  }
  // A finished loop's value, seen from `scope`.
  constexpr bool outside(int x, int scope) const { return !from.encloses(from[x].scope, scope); }
  // Iteration i of one loop undoes iteration i of the other.
  constexpr bool mirrors(int a, int b) const {
    return scope_of(a).what == scope_kind::loop && scope_of(b).what == scope_kind::loop && scope_of(a).parent == 0 && scope_of(b).parent == 0 &&
           scope_of(a).count == scope_of(b).count && scope_of(a).reversed != scope_of(b).reversed;
  }

  // Operands of x; those of a score's body count as the attention's.
  constexpr std::vector<int> operands(int x) const {
    std::vector<int> found;
    add_operands(x, found);
    if (from[x].what == kind::attend)
      for (int i = 0; i < from.size(); ++i)
        if (from[i].scope == from[x].attribute[0]) add_operands(i, found);
    return found;
  }
  constexpr void add_operands(int x, std::vector<int>& found) const {
    for (int k = 0; k < from[x].inputs; ++k) {
      int y = from[x].in[static_cast<std::size_t>(k)];
      if (y >= 0 && !in_score(y)) found.push_back(y);
    }
  }

  constexpr bool read_outside(int id, int scope) const {
    for (auto u : uses[id]) {
      if (u.user < 0 || from[u.user].what == kind::stack) continue;
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
      if (k != kind::contract || !live(i)) continue;
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
    if (n.shape.elements() < size || natural[static_cast<std::size_t>(x)] || decision[static_cast<std::size_t>(x)] == choice::keep) return 0;
    if (!is_elementwise(n.what)) return -1;
    if ((n.op && !n.op->cheap) || meets_its_maximum(from, uses, x)) return -1;
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
    if (pinned(i, choice::recompute)) return;
    if (pinned(i, choice::keep) || natural[static_cast<std::size_t>(i)]) {
      d = choice::keep;
      return;
    }
    int p = price(i, from[i].shape.elements());
    d = p >= 0 && p <= 8 && !small(i) ? choice::recompute : choice::keep;
    if (d == choice::recompute) mark_path(i);
  }
  // One value a row: kept, since it costs little.
  constexpr bool small(int i) const { return from[i].shape.elements() > 1 && from[i].shape[-1] == 1; }

  constexpr void mark_path(int i) {
    for (int k = 0; k < from[i].inputs; ++k) {
      int x = from[i].in[static_cast<std::size_t>(k)];
      while (is_view(from[x].what)) x = from[x].in[0];
      if (!is_elementwise(from[x].what) || decision[static_cast<std::size_t>(x)] != choice::undecided || pinned(x, choice::recompute)) continue;
      if (pinned(x, choice::keep) || natural[static_cast<std::size_t>(x)] || from[x].shape.elements() < from[i].shape.elements()) decision[static_cast<std::size_t>(x)] = choice::keep;
      else {
        decision[static_cast<std::size_t>(x)] = choice::recompute;
        mark_path(x);
      }
    }
  }

  constexpr int import(int x, int scope) {
    if (!outside(x, scope) || decision[static_cast<std::size_t>(root(x))] != choice::recompute || is_leaf(x)) return r.number[static_cast<std::size_t>(x)];
    std::size_t at = static_cast<std::size_t>(x) * from.scopes.size() + static_cast<std::size_t>(scope);
    if (copies[at] >= 0) return copies[at];
    node n = from[x];
    std::vector<int> body;
    if (n.what == kind::attend) {
      body.assign(from.nodes.size(), -1);
      for (int k = 0; k < 3; ++k) n.in[static_cast<std::size_t>(k)] = import(n.in[static_cast<std::size_t>(k)], scope);
      const int old = n.attribute[0];
      r.to.scopes.push_back({scope_kind::score, scope, 1, false});
      n.attribute[0] = static_cast<int>(r.to.scopes.size()) - 1;
      for (int k = 3; k < 5; ++k) n.in[static_cast<std::size_t>(k)] = import_body(n.in[static_cast<std::size_t>(k)], old, n.attribute[0], scope, body);
    } else {
      for (int k = 0; k < n.inputs; ++k)
        if (n.in[static_cast<std::size_t>(k)] >= 0) n.in[static_cast<std::size_t>(k)] = import(n.in[static_cast<std::size_t>(k)], scope);
    }
    n.scope = static_cast<std::int16_t>(scope);
    r.to.nodes.push_back(n);
    return copies[at] = r.to.size() - 1;
  }

  constexpr int import_body(int x, int from_scope, int to_scope, int loop, std::vector<int>& done) {
    if (x < 0) return -1;
    if (from[x].scope != from_scope) return import(x, loop);
    int& to = done[static_cast<std::size_t>(x)];
    if (to >= 0) return to;
    node n = from[x];
    for (int k = 0; k < n.inputs; ++k) n.in[static_cast<std::size_t>(k)] = import_body(n.in[static_cast<std::size_t>(k)], from_scope, to_scope, loop, done);
    n.scope = static_cast<std::int16_t>(to_scope);
    r.to.nodes.push_back(n);
    return to = r.to.size() - 1;
  }
};

}  // namespace detail

constexpr graph rematerialize(graph const& g) {
  detail::unpinned u = detail::take_pins(g);
  return detail::rematerializer(u.g, u.pin).emit();
}

}  // namespace formwork
