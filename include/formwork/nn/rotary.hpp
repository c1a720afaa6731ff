// Rotary position embedding (Su et al. 2021, eq. 34).
#pragma once

#include "../ops/add.hpp"
#include "../ops/cos.hpp"
#include "../ops/multiply.hpp"
#include "../ops/pow.hpp"
#include "../ops/sin.hpp"
#include "../ops/subtract.hpp"
#include "../trace/generators.hpp"
#include "errors.hpp"

namespace formwork {

// Turns pairs of elements of each head by the angle position base^(-2 i / D): x (B, T, H, D) -> (B, T, H, D).
// A pair is the elements i and i + D/2, as in Llama's published weights. Time t has position `offset` + t;
// offset is an int, or a traced i32 scalar when the steps of a generation share one program.
template <typed_value X, class Offset = int>
constexpr auto rotary(X const& x, Offset const& offset = 0, double base = 10000) {
  using from = typename value_of<X>::shape_type;
  if constexpr (require < X::rank == 4 && X::shape[-1] % 2 == 0,
                error::rotary_needs_batch_time_heads_and_an_even_size < from >>) {
    constexpr long time = X::shape[1], half = X::shape[3] / 2;
    auto frequency = pow(base, cast<dtype::f32>(iota<half>(x)) * (-1.0 / static_cast<double>(half)));
    auto angle = reshape<time, 1, 1>(cast<dtype::f32>(iota<time>(x) + offset)) * frequency;  // (T, 1, D/2)
    auto c = cast<X::type>(cos(angle)), s = cast<X::type>(sin(angle));
    auto [a, b] = split<-1, 2>(x);
    return concatenate<-1>(a * c - b * s, b * c + a * s);
  }
}

}  // namespace formwork
