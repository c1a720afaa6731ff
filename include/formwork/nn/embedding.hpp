// embedding<Rows, Width>: a table of learned rows.
#pragma once

#include "../trace/contract.hpp"
#include "../trace/generators.hpp"
#include "../trace/module.hpp"

namespace formwork {

template <long Rows, long Width, class Initial = normal_02> struct embedding {
  using weight_type = parameter<shape<Rows, Width>, Initial>;
  BOOST_HANA_DEFINE_STRUCT(embedding, (weight_type, weight));

  // The rows of the given numbers, each in [0, Rows): (...) of type i32 -> (..., Width).
  template <typed_value Indices> constexpr auto operator()(Indices const& indices) const {
    return gather(weight, indices);
  }

  // Rows 0, ..., Count - 1: (Count, Width).
  template <long Count> constexpr auto first() const { return slice<0, 0, Count>(weight); }

  // The product of x with every row, as the head of a model with tied weights (Press & Wolf 2017):
  // (..., Width) -> (..., Rows).
  template <typed_value X> constexpr auto unembed(X const& x) const {
    return matmul(x, matrix_transpose(weight));
  }
};

}  // namespace formwork
