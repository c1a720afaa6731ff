// shape<D...>: a compile-time shape as a type, the way it appears in typed values and in error messages.
#pragma once

#include <utility>

#include "dims.hpp"

namespace formwork {

template <long... Size> struct shape {
  static constexpr int rank = sizeof...(Size);
  static constexpr dims value{Size...};
  static constexpr long elements = value.elements();
};

namespace detail {
template <class Dims, class> struct shape_of_dims;
template <class Dims, std::size_t... I> struct shape_of_dims<Dims, std::index_sequence<I...>> {
  using type = shape<Dims::value.size[I]...>;
};
}  // namespace detail

// The shape type for a class with a static member `value` of type dims.
template <class Dims>
using shape_from = typename detail::shape_of_dims<
    Dims, std::make_index_sequence<static_cast<std::size_t>(Dims::value.rank > 0 ? Dims::value.rank : 0)>>::type;

}  // namespace formwork
