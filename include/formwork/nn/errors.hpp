// The mistakes that modules and models explain (see trace/errors.hpp).
#pragma once

#include "../trace/value.hpp"

namespace formwork {

namespace error {
template <long Count> struct heads;
template <long Count> struct key_heads;
template <long Size> struct width;
template <long Size> struct context;
template <class Heads, class Width> struct heads_do_not_divide_the_width;
template <class KeyHeads, class Heads> struct key_heads_do_not_divide_the_heads;
template <class Shape> struct rotary_needs_batch_time_heads_and_an_even_size;
template <class Shape> struct tokens_need_batch_and_time;
template <class Shape, class Context> struct sequence_is_longer_than_the_context;
}  // namespace error

// Tokens (B, T) with T <= Context; else a compile error.
template <typed_value Tokens, long Context>
inline constexpr bool fits_context =
    require<Tokens::rank == 2, error::tokens_need_batch_and_time<typename value_of<Tokens>::shape_type>>&&
        require<Tokens::rank != 2 || Tokens::shape[-1] <= Context,
                error::sequence_is_longer_than_the_context<typename value_of<Tokens>::shape_type,
                                                           error::context<Context>>>;

}  // namespace formwork
