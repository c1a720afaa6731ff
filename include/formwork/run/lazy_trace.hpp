// From the type of a lazy expression to a program: leaves become inputs in order, strided views become views of
// their rows in memory, numbers become inputs of rank 0.
#pragma once

#include "lazy.hpp"

namespace formwork {

namespace error {
template <class Shape, class Strides> struct strides_overlap_or_do_not_nest;  // copy the view into a tensor first
}  // namespace error

namespace detail {

// The axes of strided memory, from the longest stride to the shortest. Axes of stride 0 and size 1 are no part of it.
struct nested_axes {
  int count = 0;
  int axis[max_rank]{};
  bool fits = true;

  // Each axis lies within one step of the axis before it.
  constexpr nested_axes(dims const& shape, dims const& stride) {
    for (int i = 0; i < shape.rank; ++i) {
      if (shape.size[i] == 1 || stride.size[i] == 0) continue;
      int at = count++;
      for (; at > 0 && stride.size[axis[at - 1]] < stride.size[i]; --at) axis[at] = axis[at - 1];
      axis[at] = i;
      fits = fits && stride.size[i] > 0;
    }
    for (int k = 1; k < count; ++k) fits = fits && shape.size[axis[k]] * stride.size[axis[k]] <= stride.size[axis[k - 1]];
  }
};

constexpr int push_input(graph& g, dtype type, dims const& shape) {
  node n{.what = kind::input, .type = type, .shape = shape};
  n.attribute[0] = static_cast<int>(g.inputs.size());
  input_info i;
  i.name = name_text("operand");
  i.shape = shape;
  i.type = type;
  i.node = g.push_here(n);
  g.inputs.push_back(i);
  return i.node;
}

// Memory in rows as long as the longest stride, of which slices and reshapes cut the view. What lies beyond the last
// element is never read.
constexpr int push_strided_input(graph& g, dtype type, dims const& shape, dims const& stride) {
  const nested_axes axes(shape, stride);
  if (axes.count == 0) return build::broadcast(g, build::reshape(g, push_input(g, type, dims{1}), dims{}), shape);
  dims now;  // sizes of the axes that are cut, then one step of the last of them
  now.push_back(shape.size[axes.axis[0]]);
  now.push_back(stride.size[axes.axis[0]]);
  int x = push_input(g, type, now);
  for (int k = 1; k < axes.count; ++k) {
    const long size = shape.size[axes.axis[k]], step = stride.size[axes.axis[k]];
    now[-1] = size * step;
    x = build::slice(g, x, {}, now);
    now[-1] = size;
    now.push_back(step);
    x = build::reshape(g, x, now);
  }
  now[-1] = 1;
  x = build::slice(g, x, {}, now);
  dims sorted = now;
  sorted.rank = axes.count;
  x = build::reshape(g, x, sorted);
  // Back into the order of the view, then the repeated axes.
  std::array<int, 6> order{};
  dims once = shape;
  int at = 0;
  for (int i = 0; i < shape.rank; ++i) {
    bool found = false;
    for (int k = 0; k < axes.count; ++k)
      if (axes.axis[k] == i) {
        order[static_cast<std::size_t>(at++)] = k;
        found = true;
      }
    if (!found) once.size[i] = 1;
  }
  return build::broadcast(g, build::reshape(g, build::transpose(g, x, order), once), shape);
}

template <class T> struct tracer;
template <class T, class Shape, class Strides> struct tracer<view<T, Shape, Strides>> {
  static constexpr int leaves = 1;
  static constexpr value<view<T, Shape, Strides>::type, Shape> trace(graph& g) {
    if constexpr (view<T, Shape, Strides>::contiguous) return {&g, push_input(g, view<T, Shape, Strides>::type, Shape::value)};
    else if constexpr (require<nested_axes(Shape::value, Strides::value).fits, error::strides_overlap_or_do_not_nest<Shape, Strides>>)
      return {&g, push_strided_input(g, view<T, Shape, Strides>::type, Shape::value, Strides::value)};
  }
  static void collect(view<T, Shape, Strides> const& v, void**& to) { *to++ = const_cast<std::remove_const_t<T>*>(v.data()); }
};
template <dtype Type> struct tracer<number_operand<Type>> {
  static constexpr int leaves = 1;
  static constexpr value<Type, shape<>> trace(graph& g) { return {&g, push_input(g, Type, dims{})}; }
  static void collect(number_operand<Type> const& n, void**& to) { *to++ = const_cast<element_t<Type>*>(&n.x); }
};
template <class F, class... X> struct tracer<lazy<F, X...>> {
  static constexpr int leaves = (0 + ... + tracer<X>::leaves);
  static constexpr auto trace(graph& g) {
    std::tuple<typename traced_operand<X>::type...> operands{tracer<X>::trace(g)...};  // braces: in order
    return std::apply(F{}, operands);
  }
  static void collect(lazy<F, X...> const& e, void**& to) {
    std::apply([&](auto const&... x) { (tracer<std::remove_cvref_t<decltype(x)>>::collect(x, to), ...); }, e.operands);
  }
};

}  // namespace detail

}  // namespace formwork
