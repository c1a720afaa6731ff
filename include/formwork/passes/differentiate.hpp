// differentiate: reverse-mode differentiation of a program (Griewank & Walther 2008, ch. 3) with respect to its
// parameters and, if asked, its floating-point inputs. A loop becomes a second loop that runs backwards; values of
// the first that the second reads are kept for every iteration. A loop that only adds up terms has its derivatives in
// itself: the adjoint of every term is the sum's, so that nothing is kept (as Liger-Kernel does for cross-entropy over
// parts of the tokens, Hsu et al. 2024, arXiv:2410.10989).
#pragma once

#include "../ops/add.hpp"
#include "../ops/multiply.hpp"
#include "../ops/stop_gradient.hpp"
#include "adjoint.hpp"
#include "differentiate_attend.hpp"
#include "loop_order.hpp"

namespace formwork {

struct differentiate_options {
  int output = 0;       // the scalar output to differentiate
  bool inputs = false;  // gradients of floating-point inputs as well
};

namespace detail {

// The same program in an order in which what a loop leaves stands after all of the loop.
constexpr graph finish_loops_first(graph const& from) {
  std::vector<std::vector<int>> bodies(from.scopes.size());
  for (int i = 0; i < from.size(); ++i)
    if (from.scopes[static_cast<std::size_t>(from[i].scope)].what == scope_kind::loop) bodies[static_cast<std::size_t>(from[i].scope)].push_back(i);
  rewrite r(from);
  graph& to = r.to;
  std::vector<int> open;
  for (int root = 0; root < from.size(); ++root) {
    open.push_back(root);
    while (!open.empty()) {
      const int i = open.back();
      if (r.number[static_cast<std::size_t>(i)] >= 0) {
        open.pop_back();
        continue;
      }
      const std::size_t before = open.size();
      auto wait_for = [&](int x) {
        if (x >= 0 && r.number[static_cast<std::size_t>(x)] < 0) open.push_back(x);
      };
      if (from[i].what == kind::final || from[i].what == kind::stack)
        for (std::size_t k = bodies[static_cast<std::size_t>(from[from[i].in[0]].scope)].size(); k-- > 0;) wait_for(bodies[static_cast<std::size_t>(from[from[i].in[0]].scope)][k]);
      for (int k = from[i].inputs; k-- > 0;)
        if (from[i].what != kind::carry || k != 1) wait_for(from[i].in[static_cast<std::size_t>(k)]);
      if (open.size() != before) continue;
      open.pop_back();
      to.nodes.push_back(r.translated(i));
      r.number[static_cast<std::size_t>(i)] = to.size() - 1;
      if (from[i].what == kind::carry) to.nodes.back().in[1] = -1;
    }
  }
  r.live.assign(from.nodes.size(), 1);
  return r.finish();
}

class reverse_pass {
 public:
  constexpr reverse_pass(graph& program, differentiate_options o) : g(program), options(o), size(program.size()), adjoint(program.size()) {}

  constexpr void run() {
    mark_active();
    int loss = g.outputs[static_cast<std::size_t>(options.output)].node;
    if (g[loss].shape.elements() != 1) throw "only a scalar output can be differentiated: take its sum or mean";
    adjoint.add(loss, build::constant_like(g, 1, loss));
    done.assign(g.scopes.size(), 0);
    sweep(0);
    for (std::size_t p = 0; p < g.parameters.size(); ++p) output(role::parameter_gradient, static_cast<int>(p), g.parameters[p].node, g.parameters[p].name);
    if (options.inputs)
      for (std::size_t p = 0; p < g.inputs.size(); ++p)
        if (is_floating(g.inputs[p].type)) output(role::input_gradient, static_cast<int>(p), g.inputs[p].node, g.inputs[p].name);
    if (in_place) g = finish_loops_first(g);
  }

 private:
  graph& g;
  differentiate_options options;
  int size;  // nodes of the program before
  adjoint_table adjoint;
  std::vector<char> active;       // depends on what is differentiated by
  std::vector<int> stacked;       // parameter node of a loop -> its gradient in the reverse loop
  struct captured { int node, contribution; };
  std::vector<captured> outer;    // contributions of a loop's body to values from outside it
  int body = 0;                   // the loop that is being reversed
  std::vector<char> done;         // loops that are reversed already
  bool in_place = false;          // some loop has its derivatives in itself

  constexpr scope_info const& scope_of(int s) const { return g.scopes[static_cast<std::size_t>(s)]; }

  constexpr void mark_active() {
    active.assign(static_cast<std::size_t>(size), 0);
    for (bool changed = true; changed;) {  // a loop's next value may make its variable active
      changed = false;
      for (int i = 0; i < size; ++i) {
        node const& n = g[i];
        if (active[static_cast<std::size_t>(i)] || !is_floating(n.type) || (n.what == kind::map && n.op == op_of<ops::stop_gradient>())) continue;
        bool a = n.what == kind::parameter || n.what == kind::score || (n.what == kind::input && options.inputs);
        for (int k = 0; k < n.inputs; ++k)
          if (n.in[static_cast<std::size_t>(k)] >= 0) a = a || active[static_cast<std::size_t>(n.in[static_cast<std::size_t>(k)])];
        active[static_cast<std::size_t>(i)] = a;
        changed = changed || a;
      }
    }
  }

  // Visits the nodes of a scope backwards, and the loops that stand in it where their last node stands.
  constexpr void sweep(int scope) {
    for (int i = size - 1; i >= 0; --i) {
      int s = g[i].scope;
      if (s == scope) {
        visit(i);
        continue;
      }
      while (s != 0 && scope_of(s).parent != scope) s = scope_of(s).parent;
      if (s == 0 || scope_of(s).what != scope_kind::loop || done[static_cast<std::size_t>(s)]) continue;
      done[static_cast<std::size_t>(s)] = 1;
      reverse_loop(s);
    }
  }

  constexpr void output(role what, int number, int of, name_text const& name) {
    int d = g[of].scope != 0 && static_cast<std::size_t>(of) < stacked.size() && stacked[static_cast<std::size_t>(of)] >= 0
                ? stacked[static_cast<std::size_t>(of)]
                : adjoint.total(g, of);
    if (d < 0) d = build::constant_like(g, 0, of);
    g.outputs.push_back({name, what, number, d});
  }

  // Adds `d` to the adjoint of `x`; inside a loop, what stands outside it gathers its share over all iterations, as
  // what it is a view of: a broadcast operand is summed up as it was before.
  constexpr void contribute(int x, int d) {
    if (d < 0 || x < 0 || !active[static_cast<std::size_t>(x)]) return;
    if (body == 0 || g[x].scope == body) {
      adjoint.add(x, d);
    } else if (kind k = g[x].what; k == kind::transpose || k == kind::reshape || k == kind::broadcast) {
      int dx[10]{};
      operand_adjoints(g, node(g[x]), x, d, dx);
      contribute(g[x].in[0], dx[0]);
    } else {
      outer.push_back({x, d});
    }
  }

  // A variable that only sums up: c' = c + t, where no t depends on a variable of the loop. Gives t, or -1.
  constexpr int term_of(int carry) const {
    const int next = g[carry].in[1], scope = g[carry].scope;
    if (g[next].what != kind::map || g[next].op != op_of<ops::add>() || g[next].scope != scope) return -1;
    if ((g[next].in[0] == carry) == (g[next].in[1] == carry)) return -1;
    const int term = g[next].in[g[next].in[0] == carry ? 1 : 0];
    std::vector<char> varies(static_cast<std::size_t>(size), 0);
    for (int i = 0; i < size; ++i) {
      char& v = varies[static_cast<std::size_t>(i)];
      v = g[i].what == kind::carry && g[i].scope == scope;
      for (int k = 0; k < g[i].inputs && !v; ++k)
        if (int x = g[i].in[static_cast<std::size_t>(k)]; x >= 0) v = varies[static_cast<std::size_t>(x)];
    }
    return term >= 0 && !varies[static_cast<std::size_t>(term)] ? term : -1;
  }
  // Their gradients are results of the loop itself, which no factor from behind it reaches.
  constexpr bool has_parameters(int loop) const {
    for (int i = 0; i < size; ++i)
      if (g[i].scope == loop && g[i].what == kind::parameter) return true;
    return false;
  }

  // The derivatives of a loop that only adds up terms, in the loop. False: it does more.
  constexpr bool reverse_sum(int loop, std::vector<int> const& variables) {
    if (scope_of(loop).parent != 0 || body != 0 || variables.empty()) return false;
    std::vector<int> terms, finals, seeds, factors;
    for (int c : variables) {
      terms.push_back(term_of(c));
      if (terms.back() < 0) return false;
    }
    // The adjoint of a sum is that of its terms, if it is known before the loop; else a factor of all that follows.
    for (int c : variables) {
      const int d = adjoint.total_final(g, c);
      finals.push_back(d >= 0 ? d : build::constant_like(g, 0, c));
    }
    const loop_order order(g);  // of the adjoints, too
    for (std::size_t v = 0; v < variables.size(); ++v) {
      const int c = variables[v], d = finals[v];
      const bool known = g[d].scope == 0 && !order.is_after(d, loop);
      if (!known && (variables.size() > 1 || g[c].shape.elements() != 1 || has_parameters(loop))) return false;
      seeds.push_back(known ? d : build::constant_like(g, 1, c));
      factors.push_back(known ? -1 : d);
    }
    const int outside_scope = g.scope;
    g.scope = body = loop;
    for (std::size_t v = 0; v < variables.size(); ++v) contribute(terms[v], seeds[v]);
    sweep(loop);
    finish_loop(loop);
    std::vector<captured> sums = sums_of_outer();
    std::vector<captured> parts;
    for (int i = 0; i < size; ++i)
      if (g[i].scope == loop && g[i].what == kind::part)
        if (int d = adjoint.total(g, i); d >= 0) parts.push_back({g[i].in[0], build::stack(g, own_of_loop(d))});
    g.scope = outside_scope;
    body = 0;
    auto give = [&](int x, int d) {
      if (factors[0] >= 0) d = build::map<ops::multiply>(g, d, build::broadcast(g, build::reshape(g, factors[0], dims{}), g[d].shape));
      contribute(x, d);
    };
    for (std::size_t v = 0; v < variables.size(); ++v) contribute(g[variables[v]].in[0], factors[v] >= 0 ? factors[v] : seeds[v]);
    for (auto const& s : sums) give(s.node, build::final(g, s.contribution));
    for (auto const& p : parts) give(p.node, p.contribution);
    in_place = true;
    return true;
  }

  // d as a node of the loop at hand, so that it is stacked like the rest: a copy, which simplify removes unless d is, or turns
  // out to be, the same in every iteration.
  constexpr int own_of_loop(int d) {
    node same{.what = kind::map, .type = g[d].type, .inputs = 1, .shape = g[d].shape, .op = op_of<ops::stop_gradient>()};
    same.in[0] = d;
    same.attribute[0] = 1;
    return g.push_here(same);
  }

  // Gradients of a loop's own parameters.
  constexpr void finish_loop(int loop) {
    stacked.resize(static_cast<std::size_t>(size), -1);
    for (int i = 0; i < size; ++i)
      if (g[i].scope == loop && g[i].what == kind::parameter) {
        int d = adjoint.total(g, i);
        stacked[static_cast<std::size_t>(i)] = own_of_loop(d < 0 ? build::constant_like(g, 0, i) : d);
      }
  }

  // Sums over the iterations for what the body read from outside.
  constexpr std::vector<captured> sums_of_outer() {
    std::vector<captured> sums;
    for (std::size_t k = 0; k < outer.size(); ++k) {
      if (outer[k].node < 0) continue;
      int total = outer[k].contribution, x = outer[k].node;
      for (std::size_t j = k + 1; j < outer.size(); ++j)
        if (outer[j].node == x) {
          total = build::map<ops::add>(g, total, outer[j].contribution);
          outer[j].node = -1;
        }
      int sum = build::carry(g, build::constant_like(g, 0, x));
      g[sum].in[1] = build::map<ops::add>(g, sum, total);
      sums.push_back({x, sum});
    }
    outer.clear();
    return sums;
  }

  constexpr void reverse_loop(int loop) {
    scope_info info = scope_of(loop);
    std::vector<int> variables;
    for (int i = 0; i < size; ++i)
      if (g[i].scope == loop && g[i].what == kind::carry && active[static_cast<std::size_t>(i)]) variables.push_back(i);
    if (reverse_sum(loop, variables)) return;
    for (int i = 0; i < size; ++i)
      if (g[i].scope == loop && g[i].what == kind::part && active[static_cast<std::size_t>(i)])
        throw "a loop over parts can be differentiated where it only adds up, and stands in no other loop";
    // Adjoints of the loop's results, and of a variable's own final value.
    std::vector<int> start;
    for (int c : variables) {
      int d = adjoint.total_final(g, c);
      start.push_back(d >= 0 ? d : build::constant_like(g, 0, c));
    }
    g.begin_loop(info.count, !info.reversed);
    int outside_body = body;
    body = loop;
    std::vector<captured> outside;
    outside.swap(outer);
    std::vector<int> reverse;
    for (std::size_t v = 0; v < variables.size(); ++v) reverse.push_back(build::carry(g, start[v]));
    for (std::size_t v = 0; v < variables.size(); ++v) contribute(g[variables[v]].in[1], reverse[v]);
    sweep(loop);
    for (std::size_t v = 0; v < variables.size(); ++v) {
      int d = adjoint.total(g, variables[v]);
      g[reverse[v]].in[1] = d >= 0 ? d : build::constant_like(g, 0, variables[v]);
    }
    finish_loop(loop);
    std::vector<captured> sums = sums_of_outer();
    g.end_scope();
    body = outside_body;
    outer.swap(outside);
    for (std::size_t v = 0; v < variables.size(); ++v) {
      const int first = g[variables[v]].in[0];
      contribute(first, build::final(g, reverse[v]));
    }
    for (auto const& s : sums) contribute(s.node, build::final(g, s.contribution));
  }

  constexpr void visit(int i) {
    if (!active[static_cast<std::size_t>(i)]) return;
    if (g[i].what == kind::final) {
      int d = adjoint.total(g, i);
      if (d >= 0) adjoint.add_final(g[i].in[0], d);
      return;
    }
    if (g[i].what == kind::carry || g[i].what == kind::part || g[i].what == kind::parameter || g[i].what == kind::input) return;
    int dy = adjoint.total(g, i);
    if (dy < 0) return;
    node n = g[i];
    if (n.what == kind::attend) {
      attend_adjoints d = differentiate_attend(g, i, dy, active);
      for (int k = 0; k < 3; ++k) contribute(n.in[static_cast<std::size_t>(k)], d.operand[k]);
      for (auto const& share : d.tables) contribute(share.table, share.adjoint);
      return;
    }
    int dx[10]{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    operand_adjoints(g, n, i, dy, dx);
    for (int k = 0; k < n.inputs; ++k) contribute(n.in[static_cast<std::size_t>(k)], dx[k]);
  }
};

}  // namespace detail

// The program plus the gradient of one scalar output, as further outputs in the order of the parameters (then of the
// inputs). Throws (a compile error in a constant expression) when the output is not a scalar.
constexpr graph differentiate(graph g, differentiate_options options = {}) {
  detail::reverse_pass(g, options).run();
  return g;
}

}  // namespace formwork
