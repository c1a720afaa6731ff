// plan: one workspace for all stored values, and where in it, or in whose memory, each lies. Values whose lives do not overlap
// share bytes; elementwise results take over the bytes of an operand that dies with them.
#pragma once

#include "liveness.hpp"
#include "row_pitch.hpp"
#include "storage.hpp"

namespace formwork {

namespace detail {

class planner : liveness {
 public:
  constexpr explicit planner(fusion const& fused, plan_options o) : liveness(fused), rows(fused, o) {}

  constexpr memory_plan run() {
    m.at.resize(g.nodes.size());
    place_parameters();
    for (int i = 0; i < g.size(); ++i)
      if (g[i].what == kind::input) m.at[static_cast<std::size_t>(i)] = per_iteration(at_region(region::input, g[i].attribute[0], i), i);
    place_outputs();
    place_carries();
    for (int i = 0; i < g.size(); ++i)
      if (g[i].what == kind::concatenate && f.stored[static_cast<std::size_t>(i)]) place_concatenation(i);
    for (int k : f.order)
      for (int x : f.groups[static_cast<std::size_t>(k)].members)
        if (f.stored[static_cast<std::size_t>(x)] && owner(x) == k && !placed(x)) place_value(x);
    place_loop_views();
    assign_offsets();
    return m;
  }

 private:
  row_placement rows;
  memory_plan m;
  std::vector<char> done;

  constexpr bool placed(int x) const { return !done.empty() && done[static_cast<std::size_t>(x)]; }
  constexpr void set(int x, place const& p) {
    if (done.empty()) done.assign(g.nodes.size(), 0);
    done[static_cast<std::size_t>(x)] = 1;
    m.at[static_cast<std::size_t>(x)] = p;
  }
  constexpr long bytes_of(int x) const { return g[x].shape.elements() * static_cast<long>(size_of(g[x].type)); }
  // From the first row to where one more would begin.
  constexpr long bytes_of(int x, dims const& stride) const {
    return g[x].shape.rank == 0 ? bytes_of(x) : g[x].shape.size[0] * stride.size[0] * static_cast<long>(size_of(g[x].type));
  }
  constexpr scope_info const& scope_of(int x) const { return g.scopes[static_cast<std::size_t>(g[x].scope)]; }

  constexpr place at_region(region where, int number, int x) {
    place p;
    p.where = where;
    p.number = number;
    p.stride = contiguous_strides(g[x].shape);
    if (done.empty()) done.assign(g.nodes.size(), 0);
    done[static_cast<std::size_t>(x)] = 1;
    return p;
  }

  // The caller's memory of a value inside a loop is [iterations, shape].
  constexpr place per_iteration(place p, int x) const {
    if (g[x].scope != 0) {
      p.moves = motion::stacked;
      p.step = bytes_of(x);
    }
    return p;
  }

  constexpr void place_parameters() {
    m.parameters.resize(g.parameters.size());
    long at = 0;
    for (int round = 0; round < 2; ++round) {
      for (std::size_t p = 0; p < g.parameters.size(); ++p) {
        if (g.parameters[p].decays != (round == 0)) continue;
        m.parameters[p].offset = at;
        at = round_up(at + g.parameters[p].elements(), 16);
      }
      if (round == 0) m.decayed_elements = at = round_up(at, arena_row);
    }
    m.parameter_elements = round_up(at, arena_row);
    for (std::size_t p = 0; p < g.parameters.size(); ++p) {
      int x = g.parameters[p].node;
      place q = at_region(region::parameters, 0, x);
      q.offset = m.parameters[p].offset * static_cast<long>(size_of(g[x].type));
      m.at[static_cast<std::size_t>(x)] = per_iteration(q, x);
    }
  }

  constexpr void place_outputs() {
    int values = 0;
    for (auto const& o : g.outputs) {
      int x = behind_reshapes(g, o.node);
      if (g[x].what == kind::replace) {
        set(x, state_of(x));
        ++values;
        continue;
      }
      place p = at_region(region::output, 0, x);
      if (o.what == role::parameter_gradient) {
        p.where = region::gradients;
        p.offset = m.parameters[static_cast<std::size_t>(o.number)].offset * static_cast<long>(size_of(g[x].type));
      } else {
        p.number = values++;
      }
      p = per_iteration(p, x);
      m.at[static_cast<std::size_t>(x)] = p;
      // Rows are added into a base that is computed where the sum is wanted.
      if (int base = base_in_place(x); base >= 0 && !placed(base)) {
        p.stride = contiguous_strides(g[base].shape);
        set(base, p);
      }
    }
  }

  // Rows are replaced in the memory of the state that was read, which nothing else reads.
  constexpr place state_of(int x) const {
    int state = behind_reshapes(g, g[x].in[0]);
    for (int k : readers[static_cast<std::size_t>(state)])
      if (k != owner(x)) throw "a state is read beside what replaces rows of it: read the replaced one";
    place p = m.at[static_cast<std::size_t>(state)];
    p.stride = contiguous_strides(g[x].shape);
    return p;
  }

  // The base that a scatter may add into: nobody reads it afterwards, and it has no other place to be.
  constexpr int base_in_place(int x) const {
    node const& n = g[x];
    if (n.what != kind::scatter || n.in[0] < 0) return -1;
    int base = behind_reshapes(g, n.in[0]);
    if ((owner(base) < 0 && !sums_products(g, base)) || g[base].scope != n.scope || storage_behind(g, n.in[1]) == base || storage_behind(g, n.in[2]) == base) return -1;
    for (int k : readers[static_cast<std::size_t>(base)])
      if (f.groups[static_cast<std::size_t>(k)].scope != n.scope || position[static_cast<std::size_t>(k)] > position[static_cast<std::size_t>(owner(x))]) return -1;
    for (auto const& o : g.outputs)
      if (behind_reshapes(g, o.node) == base) return -1;
    for (int i = 0; i < g.size(); ++i)
      for (int j = 0; j < 2 && g[i].what == kind::carry; ++j)
        if (behind_reshapes(g, g[i].in[static_cast<std::size_t>(j)]) == base) return -1;
    return base;
  }

  constexpr int add_buffer(long bytes, int begin, int end, int x) {
    m.buffers.push_back({round_up(bytes, 64), begin, end, -1, x});
    return static_cast<int>(m.buffers.size()) - 1;
  }

  // Loop variables: one slot where the next value may overwrite the last, a slot per iteration where a later loop
  // reads them, else two slots in turn.
  constexpr void place_carries() {
    for (int c = 0; c < g.size(); ++c) {
      if (g[c].what != kind::carry) continue;
      int next = behind_reshapes(g, g[c].in[1]), first = behind_reshapes(g, g[c].in[0]);
      bool reversed = scope_of(c).reversed;
      long count = scope_of(c).count;
      int begin = owner(first) >= 0 ? position[static_cast<std::size_t>(owner(first))] : 0;
      int end = last_read(c, loop_end[static_cast<std::size_t>(g[c].scope)]);
      end = last_read(next, end);
      for (int i = 0; i < g.size(); ++i)
        if (g[i].what == kind::final && g[i].in[0] == c) end = last_read(i, end);
      if (int sum = placed_final(c); sum >= 0) {  // summed up where the result is wanted
        for (int x : {c, next, first}) {
          place p = m.at[static_cast<std::size_t>(sum)];
          p.stride = contiguous_strides(g[x].shape);
          set(x, p);
        }
        continue;
      }
      place p;
      p.stride = contiguous_strides(g[c].shape);
      p.step = round_up(bytes_of(c), 64);
      place w = p, f0 = p, l = p;
      long slots = 1;
      if (read_elsewhere(c) || read_elsewhere(next)) {
        slots = count + 1;
        p.moves = w.moves = motion::stacked;
        p.shift = reversed ? 1 : 0;
        w.shift = reversed ? 0 : 1;
        f0.offset = reversed ? count * p.step : 0;
        l.offset = reversed ? 0 : count * p.step;
      } else if (!overwrites_safely(next, c)) {
        slots = 2;
        p.moves = w.moves = motion::alternating;
        w.shift = 1;
        // Iteration i reads slot i % 2, counted in the order of execution.
        l.offset = count % 2 * p.step;
      }
      p.buffer = w.buffer = f0.buffer = l.buffer = add_buffer(slots * p.step, begin, end, c);
      auto shaped = [&](place q, int x) {
        q.stride = contiguous_strides(g[x].shape);
        set(x, q);
      };
      shaped(p, c);
      shaped(w, next);
      shaped(f0, first);
      for (int i = 0; i < g.size(); ++i)
        if (g[i].what == kind::final && g[i].in[0] == c) shaped(l, i);
    }
  }

  constexpr int placed_final(int carry) const {
    for (int i = 0; i < g.size(); ++i)
      if (g[i].what == kind::final && g[i].in[0] == carry && placed(i)) return i;
    return -1;
  }

  // A part lies where its whole does; a stack where the loop's iterations leave their values, one after the other.
  constexpr void place_loop_views() {
    for (int i = 0; i < g.size(); ++i) {
      if (!is_loop_view(g[i].what) || readers[static_cast<std::size_t>(i)].empty()) continue;
      place p = m.at[static_cast<std::size_t>(storage_behind(g, g[i].in[0]))];
      p.stride = contiguous_strides(g[i].shape);
      p.moves = g[i].what == kind::part ? motion::stacked : motion::fixed;
      if (g[i].what == kind::part) p.step = bytes_of(i);
      set(i, p);
    }
  }
  constexpr bool is_stacked_whole(int x) const {
    for (int i = 0; i < g.size(); ++i)
      if (g[i].what == kind::stack && storage_behind(g, g[i].in[0]) == x) return true;
    return false;
  }

  constexpr void place_concatenation(int i) {
    place_value(i);
    place whole = m.at[static_cast<std::size_t>(i)];
    int axis = g[i].attribute[0];
    long first = 0;
    for (int j = 0; j < g[i].inputs; ++j) {
      int part = g[i].in[static_cast<std::size_t>(j)], source = behind_reshapes(g, part);
      place p = whole;
      p.first = first;
      if (!restride(g[part].shape, whole.stride, g[source].shape, p.stride)) throw "a part of a concatenation cannot be written in place";
      first += whole.stride.size[axis] * g[part].shape.size[axis];
      buffer& b = m.buffers[static_cast<std::size_t>(whole.buffer)];
      int made = position[static_cast<std::size_t>(owner(source))];
      b.begin = made < b.begin ? made : b.begin;
      set(source, p);
    }
  }

  constexpr void place_value(int x) {
    if (g[x].what == kind::replace) throw "a state whose rows were replaced is not kept";
    int made = owner(x) >= 0 ? position[static_cast<std::size_t>(owner(x))] : static_cast<int>(f.order.size());
    place p;
    p.stride = rows.strides_of(x);
    const long bytes = bytes_of(x, p.stride);
    bool stacked = g[x].scope != 0 && read_elsewhere(x);
    int begin = stacked ? loop_begin[static_cast<std::size_t>(g[x].scope)] : made, end = last_read(x, made);
    if (stacked) {
      p.moves = motion::stacked;
      p.step = is_stacked_whole(x) ? bytes : round_up(bytes, 64);
    } else if (int base = base_in_place(x); base >= 0 && placed(base) && m.at[static_cast<std::size_t>(base)].buffer >= 0) {
      place q = m.at[static_cast<std::size_t>(base)];
      q.stride = p.stride;
      int& last = m.buffers[static_cast<std::size_t>(q.buffer)].end;
      last = end > last ? end : last;
      set(x, q);
      return;
    } else if (int over = dying_operand(x, p.stride); over >= 0) {
      place q = m.at[static_cast<std::size_t>(over)];
      q.stride = p.stride;
      buffer& b = m.buffers[static_cast<std::size_t>(q.buffer)];
      b.end = end > b.end ? end : b.end;
      set(x, q);
      return;
    }
    p.buffer = add_buffer(stacked ? p.step * scope_of(x).count : bytes, begin, end, x);
    set(x, p);
  }

  // An operand that lies as x shall, whose last reader computes x, in storage of its own.
  constexpr int dying_operand(int x, dims const& stride) const {
    int k = owner(x);
    if (k < 0 || g[x].what == kind::concatenate) return -1;
    for (std::size_t b = 0; b < m.buffers.size(); ++b) {
      int y = m.buffers[b].node;
      if (y < 0 || m.buffers[b].end != position[static_cast<std::size_t>(k)] || bytes_of(y) != bytes_of(x) || m.buffers[b].bytes != round_up(bytes_of(x, stride), 64)) continue;
      place const& p = m.at[static_cast<std::size_t>(y)];
      if (!lies_alike(x, stride, y, p.stride)) continue;
      if (p.moves != motion::fixed || p.first != 0 || g[y].scope != g[x].scope || g[y].what == kind::concatenate || g[y].what == kind::carry) continue;
      bool current = false;
      for (int r : readers[static_cast<std::size_t>(y)]) current = current || r == k;
      if (current && owner(y) != k && overwrites_safely(x, y)) return y;
    }
    return -1;
  }

  // Element after element, whatever the axes.
  constexpr bool lies_alike(int x, dims const& stride, int y, dims const& as) const {
    dims s;
    if (!restride(g[x].shape, stride, g[y].shape, s)) return false;
    for (int i = 0; i < s.rank; ++i)
      if (g[y].shape.size[i] != 1 && s.size[i] != as.size[i]) return false;
    return true;
  }

  constexpr void assign_offsets() {
    std::vector<int> by_size;
    for (std::size_t b = 0; b < m.buffers.size(); ++b) by_size.push_back(static_cast<int>(b));
    for (std::size_t i = 1; i < by_size.size(); ++i)
      for (std::size_t j = i; j > 0 && m.buffers[static_cast<std::size_t>(by_size[j - 1])].bytes < m.buffers[static_cast<std::size_t>(by_size[j])].bytes; --j)
        std::swap(by_size[j - 1], by_size[j]);
    for (int i : by_size) {
      buffer& b = m.buffers[static_cast<std::size_t>(i)];
      long at = 0;
      for (bool moved = true; moved;) {
        moved = false;
        for (auto const& o : m.buffers) {
          if (o.offset < 0 || o.end < b.begin || b.end < o.begin) continue;
          if (at < o.offset + o.bytes && o.offset < at + b.bytes) {
            at = o.offset + o.bytes;
            moved = true;
          }
        }
      }
      b.offset = at;
      m.workspace_bytes = at + b.bytes > m.workspace_bytes ? at + b.bytes : m.workspace_bytes;
    }
    for (auto& p : m.at)
      if (p.buffer >= 0) p.offset += m.buffers[static_cast<std::size_t>(p.buffer)].offset;
  }
};

}  // namespace detail

constexpr memory_plan plan_memory(fusion const& f, plan_options o = {}) { return detail::planner(f, o).run(); }

}  // namespace formwork
