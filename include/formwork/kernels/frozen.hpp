// frozen_program: lowered kernels as one constexpr object of fixed capacity, from which each kernel's own small
// array is cut out before templates index it.
#pragma once

#include <array>

#include "lower_attend.hpp"

namespace formwork {

// How the pointer of an argument is found at a launch: base of a memory, plus bytes, plus the loop's iteration.
struct binding {
  region where = region::workspace;
  int number = 0;
  long offset = 0;   // bytes
  motion moves = motion::fixed;
  long step = 0;     // bytes
  int shift = 0;
  bool absent = false;
};

struct frozen_argument {
  dtype type = dtype::f32;
  bool write = false;
  int alignment = 1;  // bytes, up to 16
  long first = 0;     // of a generator's elements
  address row{}, column{};
};

struct frozen_kernel : kernel_shape {
  int first_instruction = 0, instructions = 0;
  int first_argument = 0, arguments = 0;
};

struct frozen_scope { long count = 1; bool reversed = false; bool loop = false; };

template <int Kernels, int Instructions, int Arguments> struct frozen_program {
  std::array<frozen_kernel, Kernels> kernels{};
  std::array<instruction, Instructions> tape{};
  std::array<frozen_argument, Arguments> arguments{};
  std::array<binding, Arguments> bindings{};
  std::array<frozen_scope, 16> scopes{};
  int kernel_count = 0, instruction_count = 0, argument_count = 0;
  long parameter_elements = 0, decayed_elements = 0, workspace_bytes = 0;
};

using program_buffer = frozen_program<256, 2048, 1024>;

// The alignment that an offset and a step leave of a memory that begins at a multiple of 16.
constexpr int alignment_of(long offset, long step) {
  int bytes = 16;
  while (offset % bytes != 0 || step % bytes != 0) bytes /= 2;
  return bytes;
}

constexpr program_buffer freeze(fusion const& f, memory_plan const& m, std::vector<kernel_data> const& kernels) {
  program_buffer p;
  p.parameter_elements = m.parameter_elements;
  p.decayed_elements = m.decayed_elements;
  p.workspace_bytes = m.workspace_bytes;
  if (f.g.scopes.size() > p.scopes.size()) throw "a program may have at most 15 loops and attention scores";
  for (std::size_t s = 0; s < f.g.scopes.size(); ++s)
    p.scopes[s] = {f.g.scopes[s].count, f.g.scopes[s].reversed, f.g.scopes[s].what == scope_kind::loop};
  for (auto const& k : kernels) {
    if (p.kernel_count == static_cast<int>(p.kernels.size())) throw "a program may have at most 256 kernels: put repeated blocks into repeat<>";
    frozen_kernel& to = p.kernels[static_cast<std::size_t>(p.kernel_count++)];
    static_cast<kernel_shape&>(to) = k;
    to.first_instruction = p.instruction_count;
    to.instructions = static_cast<int>(k.tape.size());
    to.first_argument = p.argument_count;
    to.arguments = static_cast<int>(k.arguments.size());
    if (p.instruction_count + to.instructions > static_cast<int>(p.tape.size()) || p.argument_count + to.arguments > static_cast<int>(p.arguments.size()))
      throw "a program may have at most 2048 instructions and 1024 kernel arguments: put repeated blocks into repeat<>";
    for (auto const& i : k.tape) p.tape[static_cast<std::size_t>(p.instruction_count++)] = i;
    for (auto const& a : k.arguments) {
      frozen_argument& b = p.arguments[static_cast<std::size_t>(p.argument_count)];
      long offset = a.from.offset + a.offset * static_cast<long>(size_of(a.type));
      const bool generated = a.node >= 0 && is_generator(f.g[a.node].what);
      b = {a.type, a.write, alignment_of(offset, a.from.moves == motion::fixed ? 0 : a.from.step), generated ? a.offset : 0, a.row, a.column};
      p.bindings[static_cast<std::size_t>(p.argument_count++)] = {a.from.where, a.from.number, offset, a.from.moves, a.from.step, a.from.shift, a.node < 0 || generated};
    }
  }
  return p;
}

// An exact copy, so that nothing later carries the buffer's unused room.
template <int Kernels, int Instructions, int Arguments>
constexpr frozen_program<Kernels, Instructions, Arguments> cut(program_buffer const& b) {
  frozen_program<Kernels, Instructions, Arguments> p;
  for (int i = 0; i < Kernels; ++i) p.kernels[static_cast<std::size_t>(i)] = b.kernels[static_cast<std::size_t>(i)];
  for (int i = 0; i < Instructions; ++i) p.tape[static_cast<std::size_t>(i)] = b.tape[static_cast<std::size_t>(i)];
  for (int i = 0; i < Arguments; ++i) {
    p.arguments[static_cast<std::size_t>(i)] = b.arguments[static_cast<std::size_t>(i)];
    p.bindings[static_cast<std::size_t>(i)] = b.bindings[static_cast<std::size_t>(i)];
  }
  p.scopes = b.scopes;
  p.kernel_count = b.kernel_count;
  p.instruction_count = b.instruction_count;
  p.argument_count = b.argument_count;
  p.parameter_elements = b.parameter_elements;
  p.decayed_elements = b.decayed_elements;
  p.workspace_bytes = b.workspace_bytes;
  return p;
}

}  // namespace formwork
