// pack<T, Width>: a portable SIMD value on the compilers' vector extension; the instruction set is the one
// that the translation unit is compiled for. A pack of one element is a scalar loop's body.
// This header gives the type and its arithmetic, and includes simd_memory.hpp (other element types in memory,
// gathers) and simd_reduce.hpp (folds over the lanes). Elementary functions: simd_math.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "../../core/config.hpp"
#include "../../core/dtype.hpp"
#include "simd_partial.hpp"

namespace formwork::cpu {

template <class T> inline constexpr int native_width = FORMWORK_VECTOR_BYTES / static_cast<int>(sizeof(T));

// The integer of T's size: a comparison of pack<T, W> gives mask<T, W>, all bits set where it holds.
template <class T> using mask_integer_t = typename detail::signed_integer<sizeof(T)>::type;

template <class T, int Width> struct pack;
template <class T, int Width> struct mask;

template <class T, int Width> struct mask {
  using integer = mask_integer_t<T>;
  static constexpr int width = Width;
  typedef integer vector __attribute__((vector_size(Width * sizeof(T)), aligned(sizeof(T)), may_alias));
  vector v;

  // The first `count` lanes hold.
  FORMWORK_INLINE static mask first(int count) {
    const integer n = static_cast<integer>(count < Width ? count : Width);
    return {(vector)(detail::iota_lanes<integer, Width>() < (n - vector{}))};
  }
  FORMWORK_INLINE static mask all(bool value) { return {vector{} - (value ? integer(1) : integer(0))}; }
  // Bytes 0 and 1, as a tensor of booleans stores them; lanes beyond `count` do not hold.
  FORMWORK_INLINE static mask load(const bool* p);
  FORMWORK_INLINE static mask load(const bool* p, int count);
  FORMWORK_INLINE void store(bool* p) const;
  FORMWORK_INLINE void store(bool* p, int count) const;

  FORMWORK_INLINE bool operator[](int i) const { return v[i] != 0; }
  FORMWORK_INLINE friend mask operator&(mask a, mask b) { return {a.v & b.v}; }
  FORMWORK_INLINE friend mask operator|(mask a, mask b) { return {a.v | b.v}; }
  FORMWORK_INLINE friend mask operator^(mask a, mask b) { return {a.v ^ b.v}; }
  FORMWORK_INLINE friend mask operator&&(mask a, mask b) { return {a.v & b.v}; }
  FORMWORK_INLINE friend mask operator||(mask a, mask b) { return {a.v | b.v}; }
  FORMWORK_INLINE friend mask operator!(mask a) { return {~a.v}; }
};

template <class T, int Width> struct pack {
  using element = T;
  static constexpr int width = Width;
  typedef T vector __attribute__((vector_size(Width * sizeof(T)), aligned(sizeof(T)), may_alias));
  vector v;

  pack() = default;
  FORMWORK_INLINE pack(vector x) : v(x) {}
  // x in every lane (x - 0 is x, even for -0).
  template <class U> requires std::is_arithmetic_v<U>
  FORMWORK_INLINE pack(U x) : v(static_cast<T>(x) - vector{}) {}

  FORMWORK_INLINE static pack load(const T* p) { pack r; std::memcpy(&r.v, p, sizeof(vector)); return r; }
  FORMWORK_INLINE void store(T* p) const { std::memcpy(p, &v, sizeof(vector)); }

  // Reads or writes only the first `count` elements (0 and above); lanes beyond hold zero after a load.
  FORMWORK_INLINE static pack load(const T* p, int count) { return detail::partial_load<T, Width>(p, count); }
  FORMWORK_INLINE void store(T* p, int count) const { detail::partial_store<T, Width>(p, v, count); }

  // Elements p[0], p[stride], p[2 stride], ...
  FORMWORK_INLINE static pack load_strided(const T* p, std::ptrdiff_t stride, int count = Width) {
    pack r(T(0));
    for (int i = 0; i < Width; ++i) if (i < count) r.v[i] = p[i * stride];
    return r;
  }
  FORMWORK_INLINE void store_strided(T* p, std::ptrdiff_t stride, int count = Width) const {
    for (int i = 0; i < Width; ++i) if (i < count) p[i * stride] = v[i];
  }
  // first, first + 1, first + 2, ...
  FORMWORK_INLINE static pack iota(T first) { return pack(first) + pack((vector)detail::iota_lanes<T, Width>()); }
  FORMWORK_INLINE T operator[](int i) const { return v[i]; }

  // The lanes as unsigned integers, whose sums are defined beyond the ends of the range.
  FORMWORK_INLINE auto wrapping() const {
    if constexpr (std::is_integral_v<T>) return (detail::lanes_t<std::make_unsigned_t<T>, Width>)v;
    else return v;
  }

  // Integers wrap around.
  FORMWORK_INLINE friend pack operator+(pack a, pack b) { return (vector)(a.wrapping() + b.wrapping()); }
  FORMWORK_INLINE friend pack operator-(pack a, pack b) { return (vector)(a.wrapping() - b.wrapping()); }
  FORMWORK_INLINE friend pack operator*(pack a, pack b) { return (vector)(a.wrapping() * b.wrapping()); }
  FORMWORK_INLINE friend pack operator/(pack a, pack b) { return a.v / b.v; }
  FORMWORK_INLINE friend pack operator-(pack a) { return (vector)(-a.wrapping()); }
  FORMWORK_INLINE pack& operator+=(pack b) { return *this = *this + b; }
  FORMWORK_INLINE pack& operator-=(pack b) { return *this = *this - b; }
  FORMWORK_INLINE pack& operator*=(pack b) { return *this = *this * b; }
  FORMWORK_INLINE pack& operator/=(pack b) { return *this = *this / b; }

  // Integers only.
  FORMWORK_INLINE friend pack operator%(pack a, pack b) requires std::is_integral_v<T> { return a.v % b.v; }
  FORMWORK_INLINE friend pack operator&(pack a, pack b) requires std::is_integral_v<T> { return a.v & b.v; }
  FORMWORK_INLINE friend pack operator|(pack a, pack b) requires std::is_integral_v<T> { return a.v | b.v; }
  FORMWORK_INLINE friend pack operator^(pack a, pack b) requires std::is_integral_v<T> { return a.v ^ b.v; }
  FORMWORK_INLINE friend pack operator<<(pack a, int n) requires std::is_integral_v<T> { return (vector)(a.wrapping() << n); }
  FORMWORK_INLINE friend pack operator>>(pack a, int n) requires std::is_integral_v<T> { return a.v >> n; }

  FORMWORK_INLINE friend mask<T, Width> operator<(pack a, pack b) { return {a.v < b.v}; }
  FORMWORK_INLINE friend mask<T, Width> operator<=(pack a, pack b) { return {a.v <= b.v}; }
  FORMWORK_INLINE friend mask<T, Width> operator>(pack a, pack b) { return {a.v > b.v}; }
  FORMWORK_INLINE friend mask<T, Width> operator>=(pack a, pack b) { return {a.v >= b.v}; }
  FORMWORK_INLINE friend mask<T, Width> operator==(pack a, pack b) { return {a.v == b.v}; }
  FORMWORK_INLINE friend mask<T, Width> operator!=(pack a, pack b) { return {a.v != b.v}; }
};

// a where m holds, b elsewhere.
template <class T, int Width>
FORMWORK_INLINE pack<T, Width> select(mask<T, Width> m, pack<T, Width> a, pack<T, Width> b) {
  return pack<T, Width>(m.v ? a.v : b.v);
}
template <class T, class U, int Width> requires(sizeof(T) == sizeof(U) && !std::is_same_v<T, U>)
FORMWORK_INLINE pack<T, Width> select(mask<U, Width> m, pack<T, Width> a, pack<T, Width> b) {
  return pack<T, Width>(m.v ? a.v : b.v);
}
// A scalar stands for a pack of itself.
template <class T, int Width, class S, class U> requires(sizeof(T) == sizeof(U) && std::is_arithmetic_v<S>)
FORMWORK_INLINE pack<T, Width> select(mask<U, Width> m, pack<T, Width> a, S b) {
  return select(m, a, pack<T, Width>(b));
}
template <class T, int Width, class S, class U> requires(sizeof(T) == sizeof(U) && std::is_arithmetic_v<S>)
FORMWORK_INLINE pack<T, Width> select(mask<U, Width> m, S a, pack<T, Width> b) {
  return select(m, pack<T, Width>(a), b);
}

// a b + c, rounded once where the machine has a fused multiply-add, for every width; else twice.
template <class T, int Width>
FORMWORK_INLINE pack<T, Width> fma(pack<T, Width> a, std::type_identity_t<pack<T, Width>> b,
                                   std::type_identity_t<pack<T, Width>> c) {
#if defined(__FMA__) || defined(__AVX512F__)
  using vector = typename pack<T, Width>::vector;
  [[maybe_unused]] constexpr int bytes = Width * sizeof(T);
  if constexpr (std::is_same_v<T, float>) {
#if defined(__AVX512F__)
    if constexpr (bytes == 64) return {(vector)_mm512_fmadd_ps((__m512)a.v, (__m512)b.v, (__m512)c.v)};
#endif
    if constexpr (bytes == 32) return {(vector)_mm256_fmadd_ps((__m256)a.v, (__m256)b.v, (__m256)c.v)};
    if constexpr (bytes == 16) return {(vector)_mm_fmadd_ps((__m128)a.v, (__m128)b.v, (__m128)c.v)};
  }
  if constexpr (std::is_same_v<T, double>) {
#if defined(__AVX512F__)
    if constexpr (bytes == 64) return {(vector)_mm512_fmadd_pd((__m512d)a.v, (__m512d)b.v, (__m512d)c.v)};
#endif
    if constexpr (bytes == 32) return {(vector)_mm256_fmadd_pd((__m256d)a.v, (__m256d)b.v, (__m256d)c.v)};
    if constexpr (bytes == 16) return {(vector)_mm_fmadd_pd((__m128d)a.v, (__m128d)b.v, (__m128d)c.v)};
  }
  if constexpr (std::is_floating_point_v<T>) {
    vector r;
    for (int i = 0; i < Width; ++i) {
      if constexpr (std::is_same_v<T, float>) r[i] = __builtin_fmaf(a.v[i], b.v[i], c.v[i]);
      else r[i] = __builtin_fma(a.v[i], b.v[i], c.v[i]);
    }
    return r;
  }
#endif
  return a * b + c;
}

// Element-wise conversion of value, not of bits.
template <class To, class From, int Width>
FORMWORK_INLINE pack<To, Width> convert(pack<From, Width> a) {
  if constexpr (std::is_same_v<To, From>) return a;
  else return pack<To, Width>(__builtin_convertvector(a.v, typename pack<To, Width>::vector));
}

// The same bits as elements of another type of the same size.
template <class To, class From, int Width> requires(sizeof(To) == sizeof(From))
FORMWORK_INLINE pack<To, Width> bit_cast(pack<From, Width> a) {
  return pack<To, Width>((typename pack<To, Width>::vector)a.v);
}

}  // namespace formwork::cpu

#include "simd_memory.hpp"
#include "simd_reduce.hpp"
