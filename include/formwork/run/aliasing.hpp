// When a result may lie in an operand's memory: known from the kernels while they compile, but for the addresses.
#pragma once

#include <stdexcept>
#include <string>

#include "packed.hpp"
#include "step.hpp"

namespace formwork {

namespace detail {

constexpr bool same_address(address const& a, address const& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; ++i)
    if (a.extent[i] != b.extent[i] || a.stride[i] != b.stride[i]) return false;
  return true;
}

// May input `in` and output `out` of a program be the same memory? All kernels that read the input run before the
// first that writes the output, or it is that kernel, which then loads every element before it stores its result.
template <class Program> constexpr bool in_place(int in, int out) {
  auto const& p = Program::value;
  auto touches = [&](int a, region where, int number) {
    binding const& b = p.bindings[static_cast<std::size_t>(a)];
    return !b.absent && b.where == where && b.number == number;
  };
  int first = -1;
  for (int k = 0; k < p.kernel_count; ++k) {
    frozen_kernel const& kernel = p.kernels[static_cast<std::size_t>(k)];
    int written = -1;
    for (int a = 0; a < kernel.arguments; ++a)
      if (p.arguments[static_cast<std::size_t>(kernel.first_argument + a)].write && touches(kernel.first_argument + a, region::output, out)) written = a;
    const bool attends = kernel.what != skeleton::rows && kernel.what != skeleton::contract;
    if (attends && written < 0)  // its results are not marked
      for (int a = 0; a < kernel.arguments; ++a)
        if (touches(kernel.first_argument + a, region::output, out)) written = a;
    if (written >= 0 && first < 0) first = k;
    for (int a = 0; a < kernel.arguments; ++a) {
      const int n = kernel.first_argument + a;
      if (!touches(n, region::input, in) || first < 0) continue;
      if (first != k || attends || (kernel.what == skeleton::contract && a < 2)) return false;
      frozen_argument const &read = p.arguments[static_cast<std::size_t>(n)], &write = p.arguments[static_cast<std::size_t>(kernel.first_argument + written)];
      if (read.type != write.type || !same_address(read.row, write.row) || !same_address(read.column, write.column)) return false;
      if (p.bindings[static_cast<std::size_t>(n)].offset != p.bindings[static_cast<std::size_t>(kernel.first_argument + written)].offset) return false;
      int stored = 32;
      for (int i = 0; i < kernel.instructions; ++i) {
        instruction const& s = p.tape[static_cast<std::size_t>(kernel.first_instruction + i)];
        if (s.what == opcode::store && s.argument == written && s.stage < stored) stored = s.stage;
      }
      for (int i = 0; i < kernel.instructions; ++i) {
        instruction const& l = p.tape[static_cast<std::size_t>(kernel.first_instruction + i)];
        if (l.argument != a || l.what == opcode::store || l.what == opcode::keep || l.what == opcode::recall) continue;  // these number scratch rows
        if (l.what != opcode::load) return false;
        if (l.at == level::row ? l.stage > stored : (l.evaluated >> stored >> 1) != 0) return false;
      }
    }
  }
  return true;
}

// Elements of two layouts at addresses `apart` bytes from each other; exact where the layouts are equal, else the
// ranges from first to last element.
constexpr bool layouts_meet(dims const& a_shape, dims const& a_stride, long a_bytes, dims const& b_shape, dims const& b_stride, long b_bytes, long apart) {
  const extent_in_memory a = extent_of(a_shape, a_stride), b = extent_of(b_shape, b_stride);
  const long a_first = -a.below * a_bytes, a_end = (a.above + 1) * a_bytes, b_first = apart - b.below * b_bytes, b_end = apart + (b.above + 1) * b_bytes;
  if (a_end <= b_first || b_end <= a_first) return false;
  bool same = a_bytes == b_bytes && a_stride.rank == b_stride.rank && apart % a_bytes == 0;
  for (int i = 0; same && i < a_stride.rank; ++i)
    same = a_stride.size[i] == b_stride.size[i] || (a_shape.size[i] == 1 && b_shape.size[i] == 1);
  if (!same) return true;
  const nested_axes axes(a_shape, a_stride), other(b_shape, b_stride);
  if (!axes.fits || !other.fits) return true;
  // apart = sum of k_i stride_i with -size_a < -k_i < size_b; the strides nest, so at most two k_i are near enough.
  auto reaches = [&](auto const& self, int i, long rest) -> bool {
    if (i == a_stride.rank) return rest == 0;
    // Axes by falling stride.
    int axis = -1;
    for (int j = 0, rank = 0; j < a_stride.rank; ++j, rank = 0) {
      for (int l = 0; l < a_stride.rank; ++l) rank += a_stride.size[l] > a_stride.size[j] || (a_stride.size[l] == a_stride.size[j] && l < j);
      if (rank == i) axis = j;
    }
    const long step = a_stride.size[axis], most = a_shape.size[axis] - 1, least = -(b_shape.size[axis] - 1);
    if (step == 0) return self(self, i + 1, rest);
    const long near = rest / step;
    for (long k = near - 1; k <= near + 1; ++k)
      if (k >= least && k <= most && self(self, i + 1, rest - k * step)) return true;
    return false;
  };
  return reaches(reaches, 0, apart / a_bytes);
}

template <class T> struct leaf_list;
template <class... L> struct leaves { template <class... M> constexpr leaves<L..., M...> operator+(leaves<M...>) const { return {}; } };
template <class T, class S, class D> struct leaf_list<view<T, S, D>> { using type = leaves<view<T, S, D>>; };
template <dtype T> struct leaf_list<number_operand<T>> { using type = leaves<number_operand<T>>; };
template <class T, class S, int Panel> struct leaf_list<packed_view<T, S, Panel>> { using type = leaves<typename packed_view<T, S, Panel>::memory>; };
template <class F, class... X> struct leaf_list<lazy<F, X...>> { using type = decltype((leaves<>{} + ... + typename leaf_list<X>::type{})); };

template <class Program, int Out, class To, int In, class Leaf> void check_pair(void* const* inputs, void* const* outputs) {
  if constexpr (requires { Leaf::shape; }) {
    constexpr long size = static_cast<long>(size_of(To::type)), leaf_size = static_cast<long>(size_of(Leaf::type));
    const long apart = static_cast<char*>(inputs[In]) - static_cast<char*>(outputs[Out]);
    if (apart == 0 && in_place<Program>(In, Out)) return;
    if (layouts_meet(To::shape, To::stride, size, Leaf::shape, Leaf::stride, leaf_size, apart))
      throw std::invalid_argument("assign: the result overlaps operand " + std::to_string(In) +
                                  ", which it needs in another order than it is written in: assign to a tensor of its own");
  }
}
template <class Program, int A, class ViewA, int B, class ViewB> void check_results(void* const* outputs) {
  if constexpr (A < B)
    if (layouts_meet(ViewA::shape, ViewA::stride, static_cast<long>(size_of(ViewA::type)), ViewB::shape, ViewB::stride, static_cast<long>(size_of(ViewB::type)),
                     static_cast<char*>(outputs[B]) - static_cast<char*>(outputs[A])))
      throw std::invalid_argument("assign: results " + std::to_string(A) + " and " + std::to_string(B) + " overlap: give each its own memory");
}

template <class Program, class Targets, class Leaves> struct overlap;
template <class Program, class... To, class... Leaf> struct overlap<Program, std::tuple<To...>, leaves<Leaf...>> {
  static void check(void* const* inputs, void* const* outputs) {
    [&]<std::size_t... O>(std::index_sequence<O...>) {
      (check_one<static_cast<int>(O), To>(inputs, outputs, std::index_sequence_for<Leaf...>{}), ...);
      (check_others<static_cast<int>(O), To>(outputs, std::index_sequence_for<To...>{}), ...);
    }(std::index_sequence_for<To...>{});
  }
  template <int O, class V, std::size_t... I> static void check_one(void* const* inputs, void* const* outputs, std::index_sequence<I...>) {
    (check_pair<Program, O, V, static_cast<int>(I), Leaf>(inputs, outputs), ...);
  }
  template <int O, class V, std::size_t... P> static void check_others(void* const* outputs, std::index_sequence<P...>) {
    (check_results<Program, O, V, static_cast<int>(P), To>(outputs), ...);
  }
};

}  // namespace detail

// Throws std::invalid_argument where a result lies in memory that is still needed.
template <class Program, class Targets, class Expression> void check_overlap(void* const* inputs, void* const* outputs) {
  detail::overlap<Program, Targets, typename detail::leaf_list<Expression>::type>::check(inputs, outputs);
}

}  // namespace formwork
