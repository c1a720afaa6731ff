// Random numbers of the pairs of an attention, which lie in memory nowhere. A block of Philox has four neighbours along the
// keys. Where no row of keys begins inside a block, the threads of a warp that hold parts of the same blocks draw one each
// and exchange the words, so that each thread draws one block for its four pairs.
#pragma once

#include <cstdint>

#include "tape_elements.hpp"

namespace formwork::gpu {

// Where the four elements of a tile stand: rows row and row + 8, columns column and column + 1. Transposed: rows are keys.
template <bool Transposed> struct tile_position {
  int row, column;
  FORMWORK_DEVICE int query(int w) const { return Transposed ? column + w % 2 : row + w / 2 * 8; }
  FORMWORK_DEVICE int key(int w) const { return Transposed ? row + w / 2 * 8 : column + w % 2; }
};
struct one_position {
  int q, k;
  FORMWORK_DEVICE int query(int) const { return q; }
  FORMWORK_DEVICE int key(int) const { return k; }
};

namespace detail {

// What the random numbers of one head are made from, where a score draws any.
template <bool Draws> struct head_randomness {
  random_state random;
  std::uint32_t iteration;
  int batch, head;
  FORMWORK_DEVICE void set(random_state const& r, std::uint32_t i, int b, int h) { random = r, iteration = i, batch = b, head = h; }
};
template <> struct head_randomness<false> {};

// The blocks of one use of randomness; Address numbers the pairs (batch, head, query, key).
template <class Address> struct pair_blocks {
  std::uint64_t seed, stream, first;
  FORMWORK_DEVICE pair_blocks(head_randomness<true> const& h, std::uint32_t number)
      : seed(h.random.seed), stream(random_stream(h.random.step, number, h.iteration)), first(static_cast<std::uint64_t>(h.batch * Address::stride(0) + h.head * Address::stride(1))) {}
  FORMWORK_DEVICE std::uint64_t element(int query, int key) const { return first + static_cast<std::uint64_t>(query * Address::stride(2) + key); }
  // The block that holds a pair.
  FORMWORK_DEVICE philox::block operator()(int query, int key) const { return philox::block_of(seed, stream, element(query, key) / 4); }
};

// x where the lane's bit is 0 for y where it is 1, of the lanes that differ in that bit of their number.
template <class Lane> FORMWORK_DEVICE void exchange(Lane const& lane, bool upper, int bit, std::uint32_t& x, std::uint32_t& y) {
  const std::uint32_t got = lane.shuffle_xor(upper ? x : y, bit);
  x = upper ? got : x;
  y = upper ? y : got;
}

// Rows are queries: lanes l and l + 1 (l even) hold keys 4 c, ..., 4 c + 3 of the rows row and row + 8.
template <class Lane, class Blocks> FORMWORK_DEVICE void draw_together(Lane const& lane, tile_position<false> at, Blocks const& block_at, std::uint32_t (&bits)[4]) {
  const bool odd = lane.thread() % 2 != 0;
  const philox::block b = block_at(at.row + (odd ? 8 : 0), at.column);
  // The even lane has the words of row `row`, and wants its first two and the first two of row + 8.
  std::uint32_t low[2] = {b.word[0], b.word[1]}, high[2] = {b.word[2], b.word[3]};
  FORMWORK_UNROLL
  for (int i = 0; i < 2; ++i) {
    exchange(lane, odd, 1, low[i], high[i]);
    bits[i] = low[i];
    bits[2 + i] = high[i];
  }
}

// Rows are keys: the four lanes l, l + 4, l + 8, l + 12 hold keys 4 r, ..., 4 r + 3 and 4 r + 8, ... of two queries.
template <class Lane, class Blocks> FORMWORK_DEVICE void draw_together(Lane const& lane, tile_position<true> at, Blocks const& block_at, std::uint32_t (&bits)[4]) {
  const int mine = lane.thread() / 4 % 4;
  const philox::block b = block_at(at.column + mine % 2, at.row + mine / 2 * 8);
  // Lane d has word w of block d in bits[w] and wants word d of block w there: the transposition of a 4 x 4 matrix.
  FORMWORK_UNROLL
  for (int w = 0; w < 4; ++w) bits[w] = b.word[w];
  exchange(lane, mine % 2 != 0, 4, bits[0], bits[1]);
  exchange(lane, mine % 2 != 0, 4, bits[2], bits[3]);
  exchange(lane, mine / 2 != 0, 8, bits[0], bits[2]);
  exchange(lane, mine / 2 != 0, 8, bits[1], bits[3]);
}

// One number in [0, 1), as philox::uniform, for each of the pairs at `at`.
template <class Address, class T, int Width, class Lane, class Position>
FORMWORK_DEVICE void draw_pairs([[maybe_unused]] Lane const& lane, pair_blocks<Address> const& blocks, Position const& at, T (&to)[Width]) {
  if constexpr (Address::stride(2) % 4 == 0 && Width == 4) {
    std::uint32_t bits[4];
    draw_together(lane, at, blocks, bits);
    FORMWORK_UNROLL
    for (int w = 0; w < 4; ++w) to[w] = static_cast<T>(philox::to_uniform(bits[w]));
  } else {
    FORMWORK_UNROLL
    for (int w = 0; w < Width; ++w) to[w] = static_cast<T>(philox::uniform(blocks.seed, blocks.stream, blocks.element(at.query(w), at.key(w))));
  }
}

}  // namespace detail

}  // namespace formwork::gpu
