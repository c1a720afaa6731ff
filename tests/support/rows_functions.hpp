// Functions made of elementwise work and reductions that several tests run.
#pragma once

#include "formwork/nn/normalization.hpp"
#include "formwork/ops/sin.hpp"
#include "formwork/ops/square.hpp"
#include "formwork/trace/reductions.hpp"
#include "support/programs.hpp"

namespace formwork::testing {

// A layer norm with a loss, by its rows, its gain and its bias.
struct normed {
  constexpr auto operator()(auto const& m, auto const& in) const { return mean<>(sin(standardize<-1>(in.x * m.c) * m.a + m.b)); }
};
template <long Rows, long Columns> using norm_of = gradients_of<normed, three<shape<Columns>, shape<Columns>, shape<Columns>>, numbers<shape<Rows, Columns>>>;

struct soft {
  constexpr auto operator()(auto const& m, auto const& in) const { return mean<>(square(softmax<-1>(in.x * m.a))); }
};

struct embedding_loss {
  constexpr auto operator()(auto const& m, auto const& in) const { return mean<>(sin(gather(m.a, in.i) * 3.0)); }
};

}  // namespace formwork::testing
