// Rows on which a softmax must move its maximum again and again.
#pragma once

#include "formwork/ops/log.hpp"
#include "formwork/ops/select.hpp"
#include "formwork/ops/square.hpp"
#include "formwork/trace/generators.hpp"
#include "formwork/trace/reductions.hpp"

namespace formwork::testing {

// Softmax of -infinity, First times, and then of elements that grow by 1 every `Run` columns.
template <long First, long Run> struct steep {
  constexpr auto operator()(auto const&, auto const& in) const {
    const auto column = cast<dtype::f32>(index_along<-1>(in.x));
    return softmax<-1>(select(column < static_cast<double>(First), log(square(in.x) * 0.0), in.x + column * (1.0 / static_cast<double>(Run))));
  }
};

}  // namespace formwork::testing
