// Axes of a shape by number, -1 being the last, and the sizes (or strides) of a class Dims (see shape_from) with one of them
// changed, without one of them, in another order.
#pragma once

#include "dims.hpp"

namespace formwork {

template <int Axis, int Rank> inline constexpr int axis_of = Axis < 0 ? Axis + Rank : Axis;
template <int Axis, int Rank> inline constexpr bool axis_fits = Axis >= -Rank && Axis < Rank;

// Every axis of the rank once.
template <int Rank, int... Axis> constexpr bool permutes() {
  if (sizeof...(Axis) != Rank || !(axis_fits<Axis, Rank> && ...)) return false;
  int seen = 0;
  ((seen |= 1 << (axis_fits<Axis, Rank> ? axis_of<Axis, Rank> : 0)), ...);
  return seen == (1 << Rank) - 1;
}

template <class Dims, int... Axis> struct axes_permuted {
  static constexpr dims value{Dims::value[Axis]...};
};
template <class Dims, int Axis, long Size> struct axis_resized {
  static constexpr dims make() {
    dims d = Dims::value;
    d[Axis] = Size;
    return d;
  }
  static constexpr dims value = make();
};
template <class Dims, int Axis> struct axis_dropped {
  static constexpr dims make() {
    dims d;
    for (int i = 0; i < Dims::value.rank; ++i)
      if (i != axis_of<Axis, Dims::value.rank>) d.push_back(Dims::value.size[i]);
    return d;
  }
  static constexpr dims value = make();
};

}  // namespace formwork
