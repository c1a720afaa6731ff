// view<T, shape<...>, strides<...>>: somebody's memory with a compile-time layout. It owns nothing and is copied
// freely; the memory must outlive it. Elements are reached as in mdspan: x(i, j).
#pragma once

#include <cassert>
#include <concepts>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "../core/dtype.hpp"
#include "../shape/axes.hpp"
#include "strides.hpp"

namespace formwork {

// What operations on tensors and views are recorded as: lazy expressions (run/lazy.hpp).
struct in_memory {};

// std::mdspan (C++23) and its back-ports.
template <class M> concept mdspan_like = requires(M const& m) {
  { m.data_handle() };
  { m.extent(0) } -> std::convertible_to<long>;
  { m.stride(0) } -> std::convertible_to<long>;
  { M::rank() } -> std::convertible_to<std::size_t>;
};

template <class T, class Shape, class Strides = row_major<Shape>> class view {
  static_assert(Shape::rank == Strides::rank, "a view needs one stride per axis of its shape");
  static_assert(Shape::rank <= max_rank, "a view has at most six axes");

 public:
  using recorded_as = in_memory;
  using element_type = T;
  using value_type = std::remove_cv_t<T>;
  using shape_type = Shape;
  using strides_type = Strides;
  static constexpr dtype type = dtype_of<value_type>;
  static constexpr int rank = Shape::rank;
  static constexpr dims shape = Shape::value, stride = Strides::value;
  static constexpr long elements = Shape::elements;
  static constexpr bool contiguous = is_row_major(shape, stride);

  // The address of element (0, 0, ...).
  constexpr explicit view(T* first) : data_(first) {}

  // Exactly `elements` elements; throws std::invalid_argument.
  template <class U, std::size_t Extent> requires(std::is_convertible_v<U (*)[], T (*)[]>)
  constexpr explicit view(std::span<U, Extent> all) : data_(all.data()) {
    static_assert(contiguous, "only a contiguous view can be made from a span: give the address of the first element");
    if (static_cast<long>(all.size()) != elements)
      throw std::invalid_argument("a view of shape " + to_string(shape) + " needs " + std::to_string(elements) + " elements, but the span has " +
                                  std::to_string(all.size()) + ": pass exactly that many");
  }

  // Rank, extents and strides must be the view's; throws std::invalid_argument.
  template <mdspan_like M> constexpr explicit view(M const& m) : data_(m.data_handle()) {
    static_assert(static_cast<int>(M::rank()) == rank, "the mdspan and the view have different numbers of axes");
    for (int i = 0; i < rank; ++i) {
      const auto axis = static_cast<std::size_t>(i);
      if (static_cast<long>(m.extent(axis)) != shape.size[i] || (shape.size[i] != 1 && static_cast<long>(m.stride(axis)) != stride.size[i]))
        throw std::invalid_argument("a view of shape " + to_string(shape) + " and strides " + to_string(stride) + " does not fit axis " + std::to_string(i) +
                                    " of the mdspan, which has extent " + std::to_string(m.extent(axis)) + " and stride " + std::to_string(m.stride(axis)));
    }
  }

  // Reading only, of what may be written.
  template <class U> requires(std::is_const_v<T> && std::is_same_v<U, value_type>)
  constexpr view(view<U, Shape, Strides> x) : data_(x.data()) {}

  constexpr T* data() const { return data_; }

  template <std::convertible_to<long>... Index> constexpr T& operator()(Index... index) const {
    static_assert(sizeof...(Index) == rank, "an element needs one index per axis");
    const long at[] = {static_cast<long>(index)..., 0};
    long offset = 0;
    for (int i = 0; i < rank; ++i) {
      assert(at[i] >= 0 && at[i] < shape.size[i]);
      offset += at[i] * stride.size[i];
    }
    return data_[offset];
  }

  constexpr std::span<T> span() const {
    static_assert(contiguous, "only a contiguous view is a span");
    return {data_, static_cast<std::size_t>(elements)};
  }

  // Elements First, ..., First + Size - 1 along one axis (-1: the last).
  template <int Axis, long First, long Size> constexpr auto slice() const {
    static_assert(Axis >= -rank && Axis < rank, "slice: the view does not have this axis");
    static_assert(First >= 0 && Size > 0 && First + Size <= shape[Axis >= -rank && Axis < rank ? Axis : 0], "slice: the elements lie outside the axis");
    using to = shape_from<axis_resized<Shape, Axis, Size>>;
    return view<T, to, Strides>(data_ + First * stride[Axis]);
  }

  // One index of an axis, which goes away; throws std::out_of_range.
  template <int Axis = 0> constexpr auto at(long index) const {
    static_assert(Axis >= -rank && Axis < rank, "at: the view does not have this axis");
    if (index < 0 || index >= shape[Axis])
      throw std::out_of_range("index " + std::to_string(index) + " is outside axis " + std::to_string(Axis) + " of shape " + to_string(shape));
    using to = shape_from<axis_dropped<Shape, Axis>>;
    using by = strides_from<axis_dropped<Strides, Axis>>;
    return view<T, to, by>(data_ + index * stride[Axis]);
  }

  // Axis i of the result is axis Axis[i] of this.
  template <int... Axis> constexpr auto transposed() const {
    static_assert(permutes<rank, Axis...>(), "transposed: give every axis of the shape once");
    return view<T, shape_from<axes_permuted<Shape, Axis...>>, strides_from<axes_permuted<Strides, Axis...>>>(data_);
  }

  // The same elements, in row-major order, with another shape.
  template <long... Size> constexpr auto reshaped() const {
    static_assert(contiguous, "reshaped: only a contiguous view has its elements in order");
    static_assert(formwork::shape<Size...>::elements == elements, "reshaped: the number of elements differs");
    return view<T, formwork::shape<Size...>>(data_);
  }

 private:
  T* data_;
};

}  // namespace formwork
