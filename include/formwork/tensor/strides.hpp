// strides<S...>: elements between neighbours along each axis, as a type beside shape<D...>.
#pragma once

#include "../shape/shape.hpp"

namespace formwork {

template <long... Step> struct strides {
  static constexpr int rank = sizeof...(Step);
  static constexpr dims value{Step...};
};

namespace detail {
template <class Dims, class> struct strides_of_dims;
template <class Dims, std::size_t... I> struct strides_of_dims<Dims, std::index_sequence<I...>> {
  using type = strides<Dims::value.size[I]...>;
};
template <class Shape> struct row_major_strides {
  static constexpr dims value = contiguous_strides(Shape::value);
};
}  // namespace detail

// The strides type for a class with a static member `value` of type dims.
template <class Dims>
using strides_from = typename detail::strides_of_dims<Dims, std::make_index_sequence<static_cast<std::size_t>(Dims::value.rank)>>::type;

// Row-major strides of a shape type.
template <class Shape> using row_major = strides_from<detail::row_major_strides<Shape>>;

// Do the strides enumerate memory element after element? Axes of size 1 do not matter.
constexpr bool is_row_major(dims const& shape, dims const& stride) {
  const dims want = contiguous_strides(shape);
  for (int i = 0; i < shape.rank; ++i)
    if (shape.size[i] != 1 && stride.size[i] != want.size[i]) return false;
  return true;
}

// Elements from the lowest to the highest address, both counted, and those below the first element.
struct extent_in_memory {
  long below = 0, above = 0;
  constexpr long elements() const { return below + above + 1; }
};
constexpr extent_in_memory extent_of(dims const& shape, dims const& stride) {
  extent_in_memory e;
  for (int i = 0; i < shape.rank; ++i) {
    const long reach = (shape.size[i] - 1) * stride.size[i];
    (reach < 0 ? e.below : e.above) += reach < 0 ? -reach : reach;
  }
  return e;
}

}  // namespace formwork
