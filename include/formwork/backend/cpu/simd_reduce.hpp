// Folds over the lanes of one pack, and the questions any / all of a mask. The order is fixed: the upper half
// is folded onto the lower until one lane is left, so that a given width always gives the same bits.
#pragma once

#include "simd.hpp"
#include "simd_shuffle.hpp"

namespace formwork::cpu {

namespace detail {
// Lanes [First, First + Count).
template <int First, int Count, class T, int Width> FORMWORK_INLINE pack<T, Count> part(pack<T, Width> a) {
  return [&]<int... I>(std::integer_sequence<int, I...>) {
    return shuffle<(First + I)...>(a, a);
  }(std::make_integer_sequence<int, Count>{});
}

// Lane i of the result is lane (i + Step) mod Width.
template <int Step, class T, int Width> FORMWORK_INLINE pack<T, Width> rotate(pack<T, Width> a) {
  return [&]<int... I>(std::integer_sequence<int, I...>) {
    return shuffle<((I + Step) % Width)...>(a, a);
  }(std::make_integer_sequence<int, Width>{});
}

// Lane i of the result is fold(a[i], a[i + Width/2]); a pack narrower than a register folds inside one.
template <class Fold, class T, int Width> FORMWORK_INLINE T fold_lanes(pack<T, Width> a, Fold fold) {
  static_assert((Width & (Width - 1)) == 0, "a pack that is folded has a power of two of lanes");
  if constexpr (Width == 1) return a.v[0];
  else if constexpr (Width * sizeof(T) <= 16) {
    return [&]<int... Step>(std::integer_sequence<int, Step...>) {        // within one register: rotate by half
      ((Width >> (Step + 1) > 0 ? void(a = fold(a, rotate<(Width >> (Step + 1))>(a))) : void()), ...);
      return a.v[0];
    }(std::make_integer_sequence<int, 4>{});
  } else return fold_lanes(fold(part<0, Width / 2>(a), part<Width / 2, Width / 2>(a)), fold);
}
}  // namespace detail

template <class T, int Width> FORMWORK_INLINE T reduce_add(pack<T, Width> a) {
  return detail::fold_lanes(a, [](auto x, auto y) { return x + y; });
}
template <class T, int Width> FORMWORK_INLINE T reduce_mul(pack<T, Width> a) {
  return detail::fold_lanes(a, [](auto x, auto y) { return x * y; });
}
// The largest and the smallest lane; a NaN in any lane is the result, as in min and max of simd_math.hpp.
template <class T, int Width> FORMWORK_INLINE T reduce_max(pack<T, Width> a) {
  return detail::fold_lanes(a, [](auto x, auto y) { return select((x > y) | (x != x), x, y); });
}
template <class T, int Width> FORMWORK_INLINE T reduce_min(pack<T, Width> a) {
  return detail::fold_lanes(a, [](auto x, auto y) { return select((x < y) | (x != x), x, y); });
}

template <class T, int Width> FORMWORK_INLINE bool any(mask<T, Width> m) {
  [[maybe_unused]] constexpr int bytes = Width * static_cast<int>(sizeof(T));
#if defined(__AVX512F__)
  if constexpr (bytes == 64) return _mm512_test_epi64_mask((__m512i)m.v, (__m512i)m.v) != 0;
#endif
#if defined(__AVX__)
  if constexpr (bytes == 32) return !_mm256_testz_si256((__m256i)m.v, (__m256i)m.v);
#endif
#if defined(__SSE2__)
  if constexpr (bytes == 16) return _mm_movemask_epi8((__m128i)m.v) != 0;
#endif
  bool r = false;
  for (int i = 0; i < Width; ++i) r = r || m.v[i] != 0;
  return r;
}
template <class T, int Width> FORMWORK_INLINE bool all(mask<T, Width> m) { return !any(!m); }
template <class T, int Width> FORMWORK_INLINE bool none(mask<T, Width> m) { return !any(m); }

}  // namespace formwork::cpu
