// loss_scale: training in f16, whose smallest numbers gradients fall below, works on the gradients of a multiple of the
// loss (Micikevicius et al. 2018, section 3.2). The multiple, a power of two, is found on the way, by the device itself: a step
// whose gradients are not finite is left out and halves it, and it doubles every 2000 steps. bf16 has the range of f32
// and needs none of it.
#pragma once

#include "update.hpp"

namespace formwork {

// Whether training with this storage scales the loss.
template <dtype Storage> inline constexpr bool scales_loss = Storage == dtype::f16;

// PyTorch's GradScaler begins with this scale and has this interval.
inline constexpr float first_loss_scale = 65536, largest_loss_scale = 16777216;
inline constexpr long loss_scale_interval = 2000;

// What the scale is multiplied by after a step that was done; `number` is 1 in the first.
constexpr float loss_scale_growth(long number) { return number % loss_scale_interval == 0 ? 2 : 1; }

namespace optim {

// The scale of the next step, twice: in its place, and for the host to read. The growth is the last one of the numbers
// that an update is told.
template <int Numbers> struct loss_scale_source {
  struct inputs {
    using number = input<dtype::f32, shape<1>>;
    using numbers_type = input<dtype::f32, shape<Numbers>>;
    BOOST_HANA_DEFINE_STRUCT(inputs, (number, loss_scale), (number, square_sum), (numbers_type, numbers));
  };
  static constexpr graph make() {
    graph g;
    inputs in{};
    add_input(g, in.loss_scale, name_text("loss_scale"));
    add_input(g, in.square_sum, name_text("square_sum"));
    add_input(g, in.numbers, name_text("numbers"));
    auto grown = in.loss_scale * slice<0, Numbers - 1, 1>(in.numbers);
    auto next = select(in.square_sum < std::numeric_limits<double>::infinity(), select(grown > static_cast<double>(largest_loss_scale), in.loss_scale, grown), in.loss_scale * 0.5);
    for (const char* name : {"loss_scale", "told"}) g.outputs.push_back({name_text(name), role::value, 0, next.id});
    return simplify(g);
  }
};

}  // namespace optim

}  // namespace formwork
