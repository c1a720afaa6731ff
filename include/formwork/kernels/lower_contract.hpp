// A product becomes a kernel: two strided operands, its epilogue as stage 0 of the tape, what follows from sums along its
// rows as stage 1, and where an operand is computed its prologue as stage 2 (A) or 3 (B), over rows and columns of its own.
#pragma once

#include "../passes/prologue.hpp"
#include "lower.hpp"

namespace formwork::detail {

class contract_lowering : lowering {
 public:
  using lowering::lowering;

  constexpr void run() {
    begin();
    lower_contract();
  }

 private:
  constexpr void matrix_operand(int x, int which) {
    const placed_layout layout{g, m};
    access a = resolve(g, x, layout);
    matrix_access read = as_matrix(a, which);
    if (!a.ok) {
      read = as_panels(g, x, layout);
      a = layout(storage_behind(g, x));
      a.source = storage_behind(g, x);
    }
    argument r;
    r.type = g[x].type;
    r.from = where(a.source);
    r.offset = a.offset;
    r.node = a.source;
    if (!read.ok) throw "a product's operand has batch axes that no single stride describes: copy it first";
    k.matrix[which] = read.stride;
    k.arguments.push_back(r);
  }

  constexpr void lower_contract() {
    node const& n = g[group_.anchor];
    int rank = n.shape.rank;
    long rows = n.shape.size[rank - 2], columns = n.shape.size[rank - 1];
    k.batch = n.shape.product(0, rank - 2);
    k.rows = rows;
    k.columns = columns;
    k.depth = g[n.in[0]].shape[-1];
    if (group_.prologue[0] < 0) matrix_operand(n.in[0], 0);
    else computed_matrix_operand(n.in[0], 0);
    if (group_.prologue[1] >= 0) computed_matrix_operand(n.in[1], 1);
    for (int id : group_.members)  // the anchor's, and what has been joined with it, in the order of their accumulators
      if (g[id].what == kind::contract && group_.prologue[1] < 0) matrix_operand(g[id].in[1], 1);
    domain = refine(group_.domain, n.shape);
    split = split_at(domain, k.batch * rows);
    stages.stages = 1;
    stages.at.assign(group_.members.size(), level::element);
    stages.first.assign(group_.members.size(), 0);
    for (std::size_t i = 0; i < group_.members.size(); ++i) {
      const int id = group_.members[i];
      if (is_reduction(g[id].what)) {
        stages.at[i] = reduces_rows(g, group_, id) ? level::row : level::column;
      } else if (group_.rows >= 0 && g[id].shape.elements() == group_.rows && k.columns > 1) {  // from such sums
        stages.at[i] = level::row;
        stages.first[i] = 1;
      }
    }
    stages.evaluated.assign(group_.members.size(), 1);
    stages.kept.assign(group_.members.size(), 0);
    slot.assign(group_.members.size(), -1);
    for (std::size_t i = 0; i < group_.members.size(); ++i) {
      const int id = group_.members[i];
      if (g[id].what != kind::contract) {
        lower_member(i);
        continue;
      }
      slot[i] = add({.what = opcode::accumulator, .type = n.type});
      if (stored_here(id)) store(id, slot[i], level::element, 0);
    }
    add_late_stores();
    if (products_of(g, group_) == 2) k.tape[static_cast<std::size_t>(first_accumulator())].argument = place_of_sums();
    for (int which = 0; which < 2; ++which)
      if (group_.prologue[which] >= 0) add_prologue(n.in[static_cast<std::size_t>(which)], which);
  }

  constexpr int first_accumulator() const {
    int i = 0;
    while (k.tape[static_cast<std::size_t>(i)].what != opcode::accumulator) ++i;
    return i;
  }
  // A result in whose memory the first of two sums may lie until the second is there: nothing else lies there. Else -1.
  constexpr int place_of_sums() {
    for (int id : group_.members) {
      if (!stored_here(id) || g[id].type != k.type || where(id).where != region::workspace || overwrites_an_operand(id)) continue;
      const argument a = address_of(id, false, true);
      if (a.column.rank == 1 && a.column.stride[0] == 1) return add_argument(a);
    }
    return -1;
  }

  // An operand that the kernel computes: strides as if it lay in memory, and no address.
  constexpr void computed_matrix_operand(int x, int which) {
    k.matrix[which] = read_computed(g, x, which).stride;
    argument none;
    none.type = g[x].type;
    k.arguments.push_back(none);
  }

  // The operand's elements as instructions of stage 2 (A) or 3 (B), over rows and columns of their own.
  constexpr void add_prologue(int x, int which) {
    const computed_operand c = read_computed(g, x, which);
    kernel_data part;
    part.type = k.type;
    contract_lowering prologue(f, m, group_.prologue[which], part);
    const int slot_of_x = prologue.lower_elements(c.at.source, c.columns);
    const int slots = static_cast<int>(k.tape.size()), arguments = static_cast<int>(k.arguments.size()), stage = which + 2;
    for (argument const& a : part.arguments) k.arguments.push_back(a);
    for (instruction i : part.tape) {
      for (int& s : i.in)
        if (s >= 0) s += slots;
      if (i.argument >= 0) i.argument += arguments;
      i.stage = stage;
      i.evaluated = 1u << stage;
      add(i);
    }
    instruction end{.what = opcode::operand, .type = g[x].type, .stage = stage, .evaluated = 1u << stage};
    end.in[0] = slots + slot_of_x;
    end.inner = c.columns;
    end.extent = which;
    add(end);
  }

  // All members over rows of `columns` elements; the slot of member x.
  constexpr int lower_elements(int x, long columns) {
    stages = plan_stages(f, group_);
    domain = prologue_domain(g, group_, x, columns);
    split = split_at(domain, domain.elements() / columns);
    slot.assign(group_.members.size(), -1);
    for (std::size_t i = 0; i < group_.members.size(); ++i) lower_member(i);
    return slot[static_cast<std::size_t>(member_index(group_, x))];
  }
};

}  // namespace formwork::detail
