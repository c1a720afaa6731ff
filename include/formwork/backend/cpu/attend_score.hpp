// What a score of attention is to the `attend` skeleton, where its lanes stand, and the plain scores.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>

#include "simd.hpp"

namespace formwork::cpu {

// Where the lanes of a score stand: lane i is the pair (query + i query_step, key + i key_step). Lanes run
// along the queries in blocks of many queries, and along the keys while decoding one query at a time.
template <bool AlongKeys> struct attend_at {
  static constexpr int query_step = AlongKeys ? 0 : 1, key_step = AlongKeys ? 1 : 0;
  std::ptrdiff_t batch, head, query, key;
};
using attend_at_queries = attend_at<false>;
using attend_at_keys = attend_at<true>;

// A score turns s = q . k into z, whose softmax over the keys weighs the values:
//   value(s, at, count)                   z; only the first `count` lanes are used
//   visible<W>(at, count)                 mask<T, W>: where it does not hold, z counts as -infinity
//   visible_block(batch, head, q0, q1, k0, k1)
//                                         for the queries [q0, q1) and the keys [k0, k1): 1 all pairs are
//                                         visible, 0 none is, -1 unknown
//   derivative(s, z, dz, at, count, acc)  ds = dz dz/ds, and adds the gradients of whatever else z depends on
//                                         to `acc`; z is the value without the mask, and dz is 0 where masked
//   weighs                                (may be missing: false) whether the softmax is multiplied by
//   weight(at, count, drawn)              a factor of the position; `drawn`, of type Score::drawn, may carry something
//                                         over from one position to the next
//   accumulators                          its type, `Score{}.accumulators{}` being zero; empty if there are none
//   finish(first, count)                  (unless accumulators is empty) called once at the end with all
//                                         instances, in an order that does not depend on the threads
template <class Score, class T>
concept attend_score =
    requires(Score const& score, pack<T, native_width<T>> s, attend_at_queries queries, attend_at_keys keys,
             typename Score::accumulators& acc, std::ptrdiff_t n, int count) {
      { score.value(s, queries, count) } -> std::convertible_to<pack<T, native_width<T>>>;
      { score.value(s, keys, count) } -> std::convertible_to<pack<T, native_width<T>>>;
      { score.template visible<native_width<T>>(queries, count) } -> std::same_as<mask<T, native_width<T>>>;
      { score.template visible<native_width<T>>(keys, count) } -> std::same_as<mask<T, native_width<T>>>;
      { score.visible_block(n, n, n, n, n, n) } -> std::convertible_to<int>;
      { score.derivative(s, s, s, queries, count, acc) } -> std::convertible_to<pack<T, native_width<T>>>;
    };

template <class Score> constexpr bool weighs() {
  if constexpr (requires { Score::weighs; }) return Score::weighs;
  else return false;
}

namespace detail {
template <class Score, bool Weighs> struct drawn_of { using type = typename Score::drawn; };
template <class Score> struct drawn_of<Score, false> { struct type {}; };
}  // namespace detail
template <class Score> using drawn_by = typename detail::drawn_of<Score, weighs<Score>()>::type;

// Every pair is visible.
struct attend_everything {
  template <class T, int Width, class At> static mask<T, Width> visible(At, int) { return mask<T, Width>::all(true); }
  static constexpr int visible_block(std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t,
                                     std::ptrdiff_t) {
    return 1;
  }
};

// A query sees the keys up to its own position, query + offset: with `offset` tokens in a key-value cache
// before the first query.
struct attend_causal {
  std::ptrdiff_t offset = 0;

  template <class T, int Width, class At> mask<T, Width> visible(At at, int) const {
    // query + offset - key in lane i is `ahead` plus or minus i: exact in f32 up to 2^24 tokens.
    const T ahead = static_cast<T>(at.query + offset - at.key);
    const auto lane = pack<T, Width>::iota(T(0));
    if constexpr (At::query_step == 1) return lane + pack<T, Width>(ahead) >= pack<T, Width>(T(0));
    else return lane <= pack<T, Width>(ahead);
  }
  constexpr int visible_block(std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t q0, std::ptrdiff_t q1, std::ptrdiff_t k0,
                              std::ptrdiff_t k1) const {
    return k1 - 1 <= q0 + offset ? 1 : k0 > q1 - 1 + offset ? 0 : -1;
  }
};

// z = scale s, the scaled dot product (Vaswani et al. 2017); `scale` is usually 1/sqrt(D).
template <class T, class Mask> struct scaled_score {
  struct accumulators {};
  T scale;
  Mask visibility = {};

  template <int Width, class At> pack<T, Width> value(pack<T, Width> s, At, int) const {
    return s * pack<T, Width>(scale);
  }
  template <int Width, class At> mask<T, Width> visible(At at, int count) const {
    return visibility.template visible<T, Width>(at, count);
  }
  constexpr int visible_block(std::ptrdiff_t batch, std::ptrdiff_t head, std::ptrdiff_t q0, std::ptrdiff_t q1,
                              std::ptrdiff_t k0, std::ptrdiff_t k1) const {
    return visibility.visible_block(batch, head, q0, q1, k0, k1);
  }
  template <int Width, class At>
  pack<T, Width> derivative(pack<T, Width>, pack<T, Width>, pack<T, Width> dz, At, int, accumulators&) const {
    return dz * pack<T, Width>(scale);
  }
};

namespace attention {

// The keys [begin, end) of a score block that can be visible, trimmed in strips; `masked`: not all of them are.
struct key_range {
  std::ptrdiff_t begin, end;
  bool masked;
};
template <class Score>
key_range visible_keys(Score const& score, std::ptrdiff_t batch, std::ptrdiff_t head, std::ptrdiff_t q0,
                       std::ptrdiff_t q1, std::ptrdiff_t k0, std::ptrdiff_t k1, std::ptrdiff_t strip) {
  const int whole = score.visible_block(batch, head, q0, q1, k0, k1);
  if (whole == 0) return {k0, k0, false};
  if (whole == 1) return {k0, k1, false};
  while (k1 > k0) {
    const std::ptrdiff_t last = std::max(k0, k1 - strip);
    if (score.visible_block(batch, head, q0, q1, last, k1) != 0) break;
    k1 = last;
  }
  while (k1 > k0) {
    const std::ptrdiff_t next = std::min(k1, k0 + strip);
    if (score.visible_block(batch, head, q0, q1, k0, next) != 0) break;
    k0 = next;
  }
  return {k0, k1, true};
}

}  // namespace attention
}  // namespace formwork::cpu
