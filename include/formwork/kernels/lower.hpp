// lower: a group becomes a kernel: members become instructions, operands become arguments with addresses.
#pragma once

#include "instruction.hpp"
#include "placed_layout.hpp"

namespace formwork {

namespace detail {

class lowering {
 public:
  // Fills `to`; returning vectors by value from equal calls runs into g++ 12's cache of constant calls.
  constexpr lowering(fusion const& fused, memory_plan const& plan, int number, kernel_data& to)
      : f(fused), g(fused.g), m(plan), group_number(number), group_(fused.groups[static_cast<std::size_t>(number)]), k(to) {}

  constexpr void run() {
    begin();
    switch (group_.what) {
      case skeleton::rows: lower_rows(); break;
      case skeleton::scatter: lower_scatter(); break;
      default: break;  // products and attention are lowered by contract_lowering and attend_lowering
    }
  }

 protected:
  constexpr void begin() {
    k.what = group_.what;
    k.scope = group_.scope;
    k.group = group_number;
    k.type = dtype::f32;  // wider where anything is
    for (int id : all_members(f, group_)) {
      if (g[id].type == dtype::f64) k.type = dtype::f64;
      for (int j = 0; j < g[id].inputs; ++j)
        if (g[id].in[static_cast<std::size_t>(j)] >= 0 && g[g[id].in[static_cast<std::size_t>(j)]].type == dtype::f64) k.type = dtype::f64;
    }
  }

  fusion const& f;
  graph const& g;
  memory_plan const& m;
  int group_number;
  group const& group_;
  kernel_data& k;
  stage_plan stages;
  dims domain;
  int split = 0;                    // axes of the domain that are rows
  std::vector<int> slot;            // member -> instruction
  std::vector<instruction> late;    // stores at the end of the tape
  std::vector<int> loaded;          // instruction -> node whose path it loads, to load once

  constexpr bool stored_here(int x) const { return f.stored[static_cast<std::size_t>(x)] && f.owner[static_cast<std::size_t>(x)] == group_number; }

  constexpr int add(instruction const& i, int path = -1) {
    k.tape.push_back(i);
    loaded.push_back(path);
    return static_cast<int>(k.tape.size()) - 1;
  }

  constexpr int add_argument(argument const& a) {
    for (std::size_t i = 0; i < k.arguments.size(); ++i) {
      argument const& b = k.arguments[i];
      if (!b.gathered && b.write == a.write && b.node == a.node && b.offset == a.offset && same(b.row, a.row) && same(b.column, a.column)) return static_cast<int>(i);
    }
    k.arguments.push_back(a);
    return static_cast<int>(k.arguments.size()) - 1;
  }
  static constexpr bool same(address const& a, address const& b) {
    if (a.rank != b.rank) return false;
    for (int i = 0; i < a.rank; ++i)
      if (a.extent[i] != b.extent[i] || a.stride[i] != b.stride[i]) return false;
    return true;
  }

  constexpr place where(int source) const { return m.at[static_cast<std::size_t>(source)]; }

  // The argument for reading (or writing) a node through its views, addressed over the domain or over its rows.
  constexpr argument address_of(int x, bool row_level, bool write) const {
    access a = resolve(g, x, placed_layout{g, m});
    if (!a.ok) throw "an operand cannot be addressed: please report it with describe() of the program";
    argument r;
    r.type = g[x].type;
    r.write = write;
    r.from = where(a.source);
    r.offset = a.offset;
    r.node = a.source;
    dims target = domain;
    if (row_level) target.rank = split;
    dims stride;
    if (!restride(a.shape, a.stride, target, stride)) throw "an operand does not fit its kernel's domain: please report it with describe() of the program";
    r.row = coalesce(target, stride, 0, split);
    if (!row_level) r.column = coalesce(target, stride, split, target.rank);
    return r;
  }

  // The slot that holds operand x for a member evaluated in `mask` of stages (or at row level).
  constexpr int operand(int x, bool row_level, unsigned mask) {
    constant_value c = constant_of(g, x);
    if (c.known) {
      for (std::size_t i = 0; i < k.tape.size(); ++i)
        if (k.tape[i].what == opcode::constant && k.tape[i].number == c.number && k.tape[i].type == g[x].type) return static_cast<int>(i);
      instruction i{.what = opcode::constant, .type = g[x].type, .at = level::row};
      i.number = c.number;
      return add(i);
    }
    int inside = member_behind(g, group_, x);
    if (inside >= 0) return slot[static_cast<std::size_t>(inside)];
    return load(x, row_level, mask);
  }

  constexpr int load(int x, bool row_level, unsigned mask) {
    for (std::size_t i = 0; i < k.tape.size(); ++i)
      if (loaded[i] == x && (k.tape[i].at == level::row) >= row_level) {
        k.tape[i].evaluated |= mask;
        return static_cast<int>(i);
      }
    argument a = address_of(x, row_level, false);
    node const& source = g[a.node];
    instruction i{.what = opcode::load, .type = g[x].type};
    if (source.what == kind::index || source.what == kind::random) {
      // A virtual array: its offset names the coordinate, that of a view's first element included.
      i.what = source.what == kind::index ? opcode::index : opcode::random;
      if (source.what == kind::index) {
        i.extent = source.shape.size[source.attribute[0]];
        i.inner = source.shape.product(source.attribute[0] + 1, source.shape.rank);
      } else {
        i.inner = source.attribute[0];
      }
      a.from = place{};
    }
    bool row = row_level || a.column.rank == 0 || all_zero(a.column);
    if (row) a.column = address{};
    i.at = row ? level::row : level::element;
    i.evaluated = mask;
    i.argument = add_argument(a);
    return add(i, x);
  }
  static constexpr bool all_zero(address const& a) {
    for (int i = 0; i < a.rank; ++i)
      if (a.stride[i] != 0) return false;
    return true;
  }

  constexpr void store(int x, int from, level at, int stage) {
    instruction i{.what = opcode::store, .type = g[x].type, .at = at, .stage = stage};
    i.evaluated = 1u << stage;
    i.in[0] = from;
    argument a = address_of(x, at == level::row, true);
    i.argument = add_argument(a);
    // Over an operand: after everything is loaded.
    if (overwrites_an_operand(x)) late.push_back(i);
    else add(i);
  }
  constexpr bool overwrites_an_operand(int x) const {
    int b = where(x).buffer;
    if (b < 0) return false;
    for (int r : f.reads[static_cast<std::size_t>(group_number)])
      if (where(r).buffer == b) return true;
    return false;
  }
  constexpr void add_late_stores() {
    for (auto const& i : late) add(i);
  }

  // Elementwise members (and a row kernel's reductions) in order; `first_slot` of the anchor is set by the caller.
  constexpr void lower_member(std::size_t i) {
    int id = group_.members[i];
    node const& n = g[id];
    level at = stages.at[i];
    unsigned mask = at == level::row ? 0 : stages.evaluated[i];
    instruction r{.type = n.type, .at = at, .stage = stages.first[i]};
    r.evaluated = mask;
    switch (n.what) {
      case kind::map: case kind::cast:
        r.what = n.what == kind::map ? opcode::map : opcode::cast;
        r.op = n.op;
        for (int j = 0; j < n.inputs; ++j) r.in[j] = operand(n.in[static_cast<std::size_t>(j)], at == level::row, mask);
        break;
      case kind::gather: {
        r.what = opcode::gather;
        r.in[0] = row_index(n.in[1]);
        r.argument = rows_named_by_index(storage_behind(g, n.in[0]), n.in[0], n.type, false);
        break;
      }
      case kind::replace:
        if (!same_memory(storage_behind(g, n.in[0]), id)) throw "rows are replaced in a state's own memory: please report it with describe() of the program";
        r.what = opcode::place;
        r.in[0] = operand(n.in[2], false, mask);
        r.in[1] = row_index(n.in[1]);
        r.argument = rows_named_by_index(id, id, n.type, true);
        break;
      case kind::sum: case kind::maximum: {
        bool row = at == level::row;
        r.what = n.what == kind::sum ? (row ? opcode::reduce_sum : opcode::column_sum) : (row ? opcode::reduce_maximum : opcode::column_maximum);
        r.evaluated = 1u << stages.first[i];
        r.in[0] = operand(n.in[0], false, r.evaluated);
        if (!row) r.argument = add_argument(column_result(id));
        break;
      }
      default: throw "a kernel has a member that it cannot compute";
    }
    int s = add(r);
    slot[i] = s;
    if (stages.kept.size() > i && stages.kept[i]) {
      instruction keep{.what = opcode::keep, .type = n.type};
      keep.evaluated = mask;
      keep.in[0] = s;
      keep.argument = k.kept;
      add(keep);
      instruction recall{.what = opcode::recall, .type = n.type};
      recall.evaluated = ~mask & ((1u << k.stages) - 1u) & ~(mask - 1u);
      recall.in[0] = s;  // refills the same slot
      recall.argument = k.kept++;
      add(recall);
    }
    if (stored_here(id) && at != level::column && n.what != kind::replace) store(id, s, at, at == level::row ? stages.first[i] + (is_reduction(n.what) ? 1 : 0) : stages.first[i]);
  }

  // One number per row of the kernel.
  constexpr int row_index(int x) {
    argument a;
    access v = resolve(g, x, placed_layout{g, m});
    dims rows = domain;
    rows.rank = split;
    dims stride;
    if (!v.ok || !restride(v.shape, v.stride, rows, stride)) throw "indices do not fit the rows that they name";
    a.type = g[x].type;
    a.from = where(v.source);
    a.offset = v.offset;
    a.node = v.source;
    a.row = coalesce(rows, stride, 0, split);
    instruction i{.what = opcode::load, .type = g[x].type, .at = level::row};
    i.argument = add_argument(a);
    return add(i, x);
  }

  // The rows of x, stored as `source`, at the columns of the domain; its pointer moves from row to row, so that it is no
  // one else's argument.
  constexpr int rows_named_by_index(int source, int x, dtype type, bool write) {
    access a = resolve(g, x, placed_layout{g, m});
    argument t;
    t.type = type;
    t.write = write;
    t.from = where(source);
    t.offset = a.offset;
    t.node = source;
    t.row.rank = 1;
    t.row.extent[0] = a.shape.size[0];
    t.row.stride[0] = a.stride.size[0];
    t.column = coalesce(a.shape, a.stride, 1, a.shape.rank);
    t.gathered = true;
    k.arguments.push_back(t);
    return static_cast<int>(k.arguments.size()) - 1;
  }

  // A column reduction's result: one element per column.
  constexpr argument column_result(int id) const {
    access a = resolve(g, id, placed_layout{g, m});
    argument r;
    r.type = g[id].type;
    r.write = true;
    r.from = where(id);
    r.offset = a.offset;
    r.node = id;
    dims columns, stride;
    for (int i = split; i < domain.rank; ++i) columns.push_back(domain.size[i]);
    if (!restride(a.shape, a.stride, columns, stride)) throw "a column sum does not fit its kernel's columns";
    r.column = coalesce(columns, stride, 0, columns.rank);
    return r;
  }

  // Elementwise work alone may take any axes as rows: as few as leave every operand's columns one run of memory.
  constexpr int leading_axes() const {
    std::vector<dims> strides;
    auto look = [&](int x) {
      dims stride;
      access a = resolve(g, x, placed_layout{g, m});
      bool fits = a.ok && restride(a.shape, a.stride, domain, stride);
      if (fits) strides.push_back(stride);
      return fits;
    };
    const int narrow = domain.rank > 1 ? domain.rank - 1 : 0;
    for (int id : group_.members) {
      for (int j = 0; j < g[id].inputs; ++j) {
        int x = g[id].in[static_cast<std::size_t>(j)];
        if (!constant_of(g, x).known && member_behind(g, group_, x) < 0 && !look(x)) return narrow;
      }
      if (stored_here(id) && !look(id)) return narrow;
    }
    for (int axes = 0; axes < narrow; ++axes) {
      bool runs = true;
      for (auto const& stride : strides) runs = runs && coalesce(domain, stride, axes, domain.rank).rank <= 1;
      if (runs) return axes;
    }
    return narrow;
  }

  constexpr void lower_rows() {
    stages = plan_stages(f, group_);
    domain = group_.domain;
    long rows = group_.rows;
    if (rows < 0) rows = domain.product(0, leading_axes());
    split = split_at(domain, rows);
    k.rows = rows;
    k.columns = domain.elements() / rows;
    k.stages = stages.stages;
    k.row_reductions = group_.row_reductions;
    k.column_reductions = group_.column_reductions;
    slot.assign(group_.members.size(), -1);
    for (std::size_t i = 0; i < group_.members.size(); ++i) lower_member(i);
    add_late_stores();
  }

  constexpr void plain_argument(int x, bool write) {
    access a = resolve(g, x, placed_layout{g, m});
    argument r;
    r.type = g[x].type;
    r.write = write;
    r.from = where(a.source);
    r.offset = a.offset;
    r.node = a.source;
    dims flat{g[x].shape.elements()}, stride;
    if (!a.ok || !restride(a.shape, a.stride, flat, stride) || (flat.size[0] > 1 && stride.size[0] != 1)) throw "a scatter's operands must be contiguous: copy them first";
    k.arguments.push_back(r);
  }

  // Arguments: base (the result itself where there is none, or where it is the same memory), indices, updates, result.
  constexpr void lower_scatter() {
    node const& n = g[group_.anchor];
    bool in_place = n.in[0] >= 0 && same_memory(storage_behind(g, n.in[0]), group_.anchor);
    k.rows = g[n.in[1]].shape.elements();
    k.table_rows = n.shape.size[0];
    k.columns = n.shape.elements() / k.table_rows;
    k.stages = n.in[0] < 0 ? 0 : in_place ? 1 : 2;  // how the result starts: zeros, as it is, a copy of the base
    plain_argument(n.in[0] >= 0 ? n.in[0] : group_.anchor, false);
    plain_argument(n.in[1], false);
    plain_argument(n.in[2], false);
    plain_argument(group_.anchor, true);
  }
  constexpr bool same_memory(int a, int b) const {
    place const &p = where(a), &q = where(b);
    return p.where == q.where && p.number == q.number && p.offset == q.offset && p.moves == q.moves && p.shift == q.shift;
  }
};

}  // namespace detail

}  // namespace formwork
