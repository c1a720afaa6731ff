// fuse: nodes become kernels. A product takes the elementwise work that follows it (its epilogue), and another product of
// the same rows that it meets there; elementwise work and reductions over one domain share a kernel that reads its
// operands once; what is cheap is computed again in every kernel that needs it rather than stored.
#pragma once

#include "fuse_operands.hpp"
#include "fuse_siblings.hpp"
#include "fuse_sums.hpp"
#include "group.hpp"
#include "loop_order.hpp"
#include "order.hpp"
#include "prologue.hpp"
#include "uses.hpp"

namespace formwork {

struct fuse_options {
  bool apart = false;      // every node a kernel of its own: what fusion is tested against
  bool prologues = false;  // a product computes its operands' elements where it reads them
  bool sums = false;       // a product's kernel sums what it computes: down the columns, as for a bias' gradient, and along the rows, as for a norm
};

namespace detail {

class fuser : operand_reader {
 public:
  constexpr explicit fuser(graph const& program, fuse_options o) : operand_reader{program}, options(o), uses(program), f(program), prepared(program.nodes.size(), 0), loops(program) {
    live = live_nodes(program);
    // A loop as a whole stands in the order of the groups, as a group without members.
    for (auto const& s : g.scopes) loop_group.push_back(s.what == scope_kind::loop ? f.add_group(skeleton::scatter, 0, -1, dims{}) : -1);
  }

  constexpr fusion run() {
    for (int i = 0; i < g.size(); ++i) {
      if (!live[static_cast<std::size_t>(i)]) continue;
      switch (g[i].what) {
        case kind::contract: place_alone(i, skeleton::contract); break;
        case kind::attend: place_alone(i, skeleton::attend); break;
        case kind::attend_backward: place_alone(i, skeleton::attend_backward); break;
        case kind::scatter: place_alone(i, skeleton::scatter); break;
        case kind::result:
          owner(i) = owner(g[i].in[0]);
          f.groups[static_cast<std::size_t>(owner(i))].members.push_back(i);
          break;
        case kind::map: case kind::cast: case kind::gather:
          if (!in_score(i)) place_map(i);
          break;
        case kind::sum: case kind::maximum: place_reduction(i); break;
        case kind::replace: place_replace(i); break;
        default: break;
      }
    }
    // What is still without a kernel but wanted in memory.
    for (int i = 0; i < g.size(); ++i)
      if (live[static_cast<std::size_t>(i)] && is_floating_node(i) && wanted_in_memory(i)) materialize(i);
    if (!options.apart) group_merger{{g}, f}.siblings();
    return f;
  }

 private:
  fuse_options options;
  use_table uses;
  fusion f;
  std::vector<char> live;
  std::vector<int> prepared;  // node -> the last round in which its operands from memory were asked for
  int round = 0;
  loop_order loops;
  std::vector<int> loop_group;
  std::vector<int> waiting;   // kernels that wait for what is being placed

  constexpr int& owner(int id) { return f.owner[static_cast<std::size_t>(id)]; }
  constexpr bool in_score(int id) const { return g.scopes[static_cast<std::size_t>(g[id].scope)].what == scope_kind::score; }
  constexpr bool is_fusable(int id) const {
    kind k = g[id].what;
    return (is_elementwise(k) || k == kind::gather || is_reduction(k)) && !in_score(id);
  }
  // Elementwise work that no kernel has taken yet.
  constexpr bool is_floating_node(int id) { return (is_elementwise(g[id].what) || g[id].what == kind::gather) && !in_score(id) && owner(id) < 0; }

  // A reader that needs the value in memory: anything but a fusable node of the same scope that reads it in order.
  constexpr bool wanted_in_memory(int id) const {
    for (auto u : uses[id]) {
      if (u.user < 0) return true;
      kind k = g[u.user].what;
      if (g[u.user].scope != g[id].scope) return true;
      if (k == kind::broadcast) {
        if (wanted_in_memory(u.user)) return true;
        continue;
      }
      if (!is_elementwise(k) && !is_reduction(k)) return true;
    }
    return false;
  }

  constexpr void place_alone(int i, skeleton what) {
    int k = f.add_group(what, g[i].scope, i, what == skeleton::contract ? g[i].shape : dims{});
    owner(i) = k;
    order_loops(k, i);
    f.groups[static_cast<std::size_t>(k)].members.push_back(i);
    for (int j = 0; j < g[i].inputs; ++j)
      if (g[i].in[static_cast<std::size_t>(j)] >= 0) need(g[i].in[static_cast<std::size_t>(j)], k);
  }

  // Group k reads x from memory; views lead to what is stored, a score's body to what it looks up.
  constexpr void need(int x, int k) {
    x = origin_of(g, x);
    if (in_score(x)) {
      for (int j = 0; j < g[x].inputs; ++j)
        if (g[x].in[static_cast<std::size_t>(j)] >= 0) need(g[x].in[static_cast<std::size_t>(j)], k);
      return;
    }
    if (g[x].what == kind::concatenate) {
      for (int j = 0; j < g[x].inputs; ++j) need(g[x].in[static_cast<std::size_t>(j)], k);
      f.stored[static_cast<std::size_t>(x)] = 1;
      return;
    }
    if (is_generator(g[x].what) || g[x].what == kind::carry || g[x].what == kind::final) return;
    if (is_floating_node(x)) {
      waiting.push_back(k);
      materialize(x);
      waiting.pop_back();
    }
    if (owner(x) >= 0) {
      f.stored[static_cast<std::size_t>(x)] = 1;
      if (owner(x) != k) f.depend(k, owner(x));
    }
  }

  constexpr bool some_loop(loop_order::set those, auto const& holds) const {
    for (std::size_t s = 1; s < loop_group.size() && those != 0; ++s)
      if ((those & loops.only[s]) && holds(loop_group[s])) return true;
    return false;
  }
  // May x be known when group k runs, as far as loops are concerned?
  constexpr bool known_before(int k, int x) const {
    return f.groups[static_cast<std::size_t>(k)].scope != 0 || !some_loop(loops.after[static_cast<std::size_t>(x)], [&](int loop) { return f.depends(loop, k); });
  }
  constexpr bool loops_allow(int k, int i) const {
    return known_before(k, i) && !some_loop(g[i].scope == 0 ? loops.feeds[static_cast<std::size_t>(i)] : loop_order::set{}, [&](int loop) { return f.depends(k, loop); });
  }
  constexpr void order_loops(int k, int i) {
    if (g[i].scope != 0) return;
    some_loop(loops.after[static_cast<std::size_t>(i)], [&](int loop) { f.depend(k, loop); return false; });
    some_loop(loops.feeds[static_cast<std::size_t>(i)], [&](int loop) { f.depend(loop, k); return false; });
  }

  // Can group k also compute node i, given what i and its floating operands read?
  constexpr bool can_take(int k, int i, int depth = 0) {
    group const& K = f.groups[static_cast<std::size_t>(k)];
    if (K.scope != g[i].scope || depth > 40 || !loops_allow(k, i)) return false;
    if (!fits(K, demand_in(K, i))) return false;
    if (K.what == skeleton::contract && (is_reduction(g[i].what) || g[i].what == kind::gather)) return false;
    if (g[i].what == kind::gather) {
      int table = base(g[i].in[0]), rows = base(g[i].in[1]);
      return outside_ok(k, table) && outside_ok(k, rows);
    }
    for (int j = 0; j < g[i].inputs; ++j) {
      operand o = look(g[i].in[static_cast<std::size_t>(j)]);
      if (o.free) continue;
      if (owner(o.source) == k || is_member(k, o.source)) {
        // Inside the group: element by element, or one value per row of a finished reduction.
        bool whole = (is_reduction(g[o.source].what) && reduces_columns(o.source)) || g[o.source].what == kind::replace;
        if (!whole && reads_inside(K, o) && (o.in_order || level_is_row(k, o.source))) continue;
        return false;
      }
      if (is_floating_node(o.source) && g[o.source].scope == g[i].scope && reads_inside(K, o) && can_take(k, o.source, depth + 1))
        continue;
      if (!outside_ok(k, o.source)) return false;
    }
    return true;
  }
  // A product's sums along its rows are finished only after its elements.
  static constexpr bool reads_inside(group const& K, operand const& o) { return o.in_order || (o.per_row && K.what != skeleton::contract); }
  constexpr bool is_member(int k, int x) const {
    for (int m : f.groups[static_cast<std::size_t>(k)].members)
      if (m == x) return true;
    return false;
  }
  constexpr bool level_is_row(int k, int x) const {
    group const& K = f.groups[static_cast<std::size_t>(k)];
    return K.rows >= 0 && g[x].shape.elements() == K.rows;
  }
  // x is in memory before group k runs, without a cycle; a column sum is finished only after its kernel.
  constexpr bool outside_ok(int k, int x) {
    if (!known_before(k, x)) return false;
    if (g[x].what == kind::concatenate) {
      for (int j = 0; j < g[x].inputs; ++j)
        if (!outside_ok(k, base(g[x].in[static_cast<std::size_t>(j)]))) return false;
      return true;
    }
    if (is_floating_node(x)) {
      if (g[x].scope != f.groups[static_cast<std::size_t>(k)].scope) return true;
      for (int j = 0; j < g[x].inputs; ++j)
        if (g[x].in[static_cast<std::size_t>(j)] >= 0 && !outside_ok(k, base(g[x].in[static_cast<std::size_t>(j)]))) return false;
      return true;
    }
    int o = owner(x);
    return o < 0 || (o != k && !f.depends(o, k));
  }

  // Makes i a member of group k, with its floating operands.
  constexpr void take(int k, int i) {
    if (is_member(k, i)) return;
    prepare(k, i, ++round);
    add_member(k, i);
  }
  // What the new members read from memory gets there first: it may itself need one of them from memory, which then
  // belongs to a kernel before this one.
  constexpr void prepare(int k, int i, int in_round) {
    if (prepared[static_cast<std::size_t>(i)] == in_round) return;
    prepared[static_cast<std::size_t>(i)] = in_round;
    for (int j = 0; j < g[i].inputs; ++j) {
      int x = g[i].in[static_cast<std::size_t>(j)];
      operand o = look(x);
      if (o.free || (!reads_memory(g[i].what) && is_member(k, o.source))) continue;
      if (joins(k, i, o)) prepare(k, o.source, in_round);
      else need(x, k);
    }
  }
  // Is an operand of i computed in k, rather than read from memory?
  constexpr bool joins(int k, int i, operand const& o) {
    if (options.apart || reads_memory(g[i].what) || g[o.source].scope != g[i].scope || !reads_inside(f.groups[static_cast<std::size_t>(k)], o)) return false;
    return (is_floating_node(o.source) || (owner(o.source) != k && duplicable(o.source))) && can_take(k, o.source);
  }
  constexpr void add_member(int k, int i) {
    if (is_member(k, i)) return;
    group& K = f.groups[static_cast<std::size_t>(k)];
    demand d = demand_in(K, i);
    fits(K, d, &K.domain);
    if (d.rows >= 0) K.rows = d.rows;
    if (owner(i) < 0) owner(i) = k;
    order_loops(k, i);
    for (int j = 0; j < g[i].inputs; ++j) {
      int x = g[i].in[static_cast<std::size_t>(j)];
      operand o = look(x);
      if (o.free || (!reads_memory(g[i].what) && is_member(k, o.source))) continue;
      if (joins(k, i, o)) add_member(k, o.source);
      else need(x, k);
    }
    f.groups[static_cast<std::size_t>(k)].members.push_back(i);
  }

  // Cheap work on values that are in memory anyway is done again rather than read.
  constexpr bool duplicable(int x) {
    if (!is_elementwise(g[x].what) || owner(x) < 0 || f.stored[static_cast<std::size_t>(x)]) return false;
    if (f.groups[static_cast<std::size_t>(owner(x))].what == skeleton::contract) return false;
    if ((g[x].op && !g[x].op->cheap) || meets_its_maximum(g, uses, x)) return false;
    for (int j = 0; j < g[x].inputs; ++j) {
      operand o = look(g[x].in[static_cast<std::size_t>(j)]);
      if (o.free || o.per_row || owner(o.source) < 0 || f.stored[static_cast<std::size_t>(o.source)]) continue;
      if (owner(o.source) == owner(x) && duplicable(o.source)) continue;
      return false;
    }
    return true;
  }

  constexpr void place_map(int i) {
    if (options.apart || g[i].what == kind::gather) return;
    join_products(i);
    for (int j = 0; j < g[i].inputs; ++j) {
      operand o = look(g[i].in[static_cast<std::size_t>(j)]);
      if (o.free || g[o.source].scope != g[i].scope) continue;
      int k = owner(o.source);
      if (k < 0 || !(o.in_order || o.per_row)) continue;
      skeleton what = f.groups[static_cast<std::size_t>(k)].what;
      if (what == skeleton::contract ? !belongs_to_epilogue(o, i) : what != skeleton::rows) continue;
      if (!can_take(k, i)) continue;
      take(k, i);
      return;
    }
  }

  // What reads two products of the same rows element by element makes them one kernel, as in SwiGLU (Shazeer 2020,
  // arXiv:2002.05202): both sums are at hand, and the rows are read once.
  constexpr void join_products(int i) {
    int first = -1;
    for (int j = 0; j < g[i].inputs; ++j) {
      operand o = look(g[i].in[static_cast<std::size_t>(j)]);
      if (o.free || !belongs_to_epilogue(o, i)) continue;
      const int k = owner(o.source);
      if (k < 0 || f.groups[static_cast<std::size_t>(k)].what != skeleton::contract) continue;
      if (first < 0) first = k;
      else if (k != first && can_join(first, k)) return group_merger{{g}, f}.merge(first, k);
    }
  }
  constexpr bool can_join(int a, int b) const {
    group const &A = f.groups[static_cast<std::size_t>(a)], &B = f.groups[static_cast<std::size_t>(b)];
    return A.scope == B.scope && !f.depends(a, b) && !f.depends(b, a) && products_of(g, A) == 1 && products_of(g, B) == 1 && same_rows(A.anchor, B.anchor) && fits(A, {B.domain, B.rows});
  }

  // A single reader follows its operand into the product's kernel; of several readers those that must be in memory.
  constexpr bool belongs_to_epilogue(operand const& o, int i) const {
    if (!o.in_order) return false;
    return uses[o.source].size() == 1 || wanted_in_memory(i);
  }

  // A kernel over the rows that are written; those for the same rows of other states join it afterwards.
  constexpr void place_replace(int i) {
    demand d = demand_of(i);
    int k = f.add_group(skeleton::rows, g[i].scope, i, d.shape);
    f.groups[static_cast<std::size_t>(k)].rows = d.rows;
    take(k, i);
  }

  // What a product's kernel computes is summed there, so that nobody reads those elements again.
  constexpr bool follows_product(int i) {
    if (!options.sums || options.apart) return false;
    const int k = product_sums{{g}, f, uses}.kernel_for(i, options.prologues), x = look(g[i].in[0]).source;
    if (k < 0 || !loops_allow(k, i)) return false;
    if (!is_member(k, x)) {
      if (!can_take(k, x)) return false;
      const std::size_t before = f.groups[static_cast<std::size_t>(k)].members.size();
      take(k, x);
      for (std::size_t n = before; n < f.groups[static_cast<std::size_t>(k)].members.size(); ++n)  // others may compute it again
        if (const int m = f.groups[static_cast<std::size_t>(k)].members[n]; owner(m) == k && !wanted_in_memory(m)) owner(m) = -1;
    }
    product_sums{{g}, f, uses}.add(f.groups[static_cast<std::size_t>(k)], i);
    owner(i) = k;
    order_loops(k, i);
    return true;
  }

  constexpr void place_reduction(int i) {
    if (follows_product(i)) return;
    demand d = demand_of(i);
    int k = find_sharing(i);
    if (k < 0) {
      k = f.add_group(skeleton::rows, g[i].scope, i, d.shape);
      f.groups[static_cast<std::size_t>(k)].rows = d.rows;
    }
    take(k, i);
    owner(i) = k;
    group& K = f.groups[static_cast<std::size_t>(k)];
    (reduces_columns(i) ? K.column_reductions : K.row_reductions) = true;
  }

  // An existing kernel over the same rows that reads one of the same operands, or computes one.
  constexpr int find_sharing(int i) {
    if (options.apart) return -1;
    std::vector<int> reads;
    collect(i, reads, 0);
    for (int k = static_cast<int>(f.groups.size()) - 1; k >= 0; --k) {
      group const& K = f.groups[static_cast<std::size_t>(k)];
      if (K.what != skeleton::rows || K.scope != g[i].scope) continue;
      bool too_late = false;
      for (int w : waiting) too_late = too_late || k == w || f.depends(k, w);
      if (too_late) continue;
      bool shares = false;
      for (int x : reads)
        for (int m : K.members) {
          if (m == x) shares = true;
          for (int j = 0; j < g[m].inputs && !shares; ++j)
            if (g[m].in[static_cast<std::size_t>(j)] >= 0) shares = base(g[m].in[static_cast<std::size_t>(j)]) == x;
        }
      if (shares && can_take(k, i)) return k;
    }
    return -1;
  }
  // The full-size values that i reads, through its floating operands.
  constexpr void collect(int i, std::vector<int>& reads, int depth) {
    if (depth > 20 || reads.size() > 8) return;
    for (int j = 0; j < g[i].inputs; ++j) {
      int x = g[i].in[static_cast<std::size_t>(j)];
      if (x < 0) continue;
      operand o = look(x);
      if (o.free || !(o.in_order || is_reduction(g[i].what))) continue;
      if (g[o.source].shape.elements() < demand_of(i).shape.elements()) continue;
      if (is_floating_node(o.source)) collect(o.source, reads, depth + 1);
      else reads.push_back(o.source);
    }
  }

  // x gets into memory: by a kernel over the same elements that reads the same operands, else by one of its own.
  constexpr void materialize(int x) {
    int k = find_sharing(x);
    if (k < 0) k = f.add_group(skeleton::rows, g[x].scope, x, g[x].shape);
    take(k, x);
    owner(x) = k;
    f.stored[static_cast<std::size_t>(x)] = 1;
  }
};

}  // namespace detail

constexpr fusion fuse(graph const& g, fuse_options options = {}) {
  fusion f = detail::fuser(g, options).run();
  detail::settle(f);
  if (options.prologues && !options.apart) detail::prologue_absorber(f).run();
  detail::order_groups(f);
  return f;
}

}  // namespace formwork
