// pack<T, Width>: a portable SIMD value on the compilers' vector extension; the instruction set is the one
// that the translation unit is compiled for. A pack of one element is a scalar loop's body.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "../../core/config.hpp"
#include "../../core/dtype.hpp"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

namespace formwork::cpu {

template <class T> inline constexpr int native_width = FORMWORK_VECTOR_BYTES / static_cast<int>(sizeof(T));

namespace detail {
template <int Bytes> struct mask_integer;
template <> struct mask_integer<1> { using type = std::int8_t; };
template <> struct mask_integer<2> { using type = std::int16_t; };
template <> struct mask_integer<4> { using type = std::int32_t; };
template <> struct mask_integer<8> { using type = std::int64_t; };
}  // namespace detail

// The integer of T's size: a comparison of pack<T, W> gives mask<T, W>, all bits set where it holds.
template <class T> using mask_integer_t = typename detail::mask_integer<sizeof(T)>::type;

template <class T, int Width> struct pack;
template <class T, int Width> struct mask;

template <class T, int Width> struct mask {
  using integer = mask_integer_t<T>;
  typedef integer vector __attribute__((vector_size(Width * sizeof(T)), aligned(sizeof(T)), may_alias));
  vector v;

  // The first `count` lanes hold.
  FORMWORK_INLINE static mask first(int count) {
    mask m;
    for (int i = 0; i < Width; ++i) m.v[i] = i < count ? -1 : 0;
    return m;
  }
  FORMWORK_INLINE static mask all(bool value) {
    mask m;
    m.v = vector{} - (value ? integer(1) : integer(0));
    return m;
  }
  FORMWORK_INLINE bool operator[](int i) const { return v[i] != 0; }
  FORMWORK_INLINE friend mask operator&(mask a, mask b) { return {a.v & b.v}; }
  FORMWORK_INLINE friend mask operator|(mask a, mask b) { return {a.v | b.v}; }
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
  template <class U> requires std::is_arithmetic_v<U>
  FORMWORK_INLINE pack(U x) : v(vector{} + static_cast<T>(x)) {}

  FORMWORK_INLINE static pack load(const T* p) { pack r; std::memcpy(&r.v, p, sizeof(vector)); return r; }
  FORMWORK_INLINE void store(T* p) const { std::memcpy(p, &v, sizeof(vector)); }

  // Reads or writes only the first `count` elements; lanes beyond hold zero after a load.
  FORMWORK_INLINE static pack load(const T* p, int count) {
#if defined(__AVX512F__)
    if constexpr (std::is_same_v<T, float> && Width == 16) {
      __m512 x = _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1u), p);
      pack r; std::memcpy(&r.v, &x, sizeof x); return r;
    }
#endif
    pack r(T(0));
    for (int i = 0; i < Width; ++i) if (i < count) r.v[i] = p[i];
    return r;
  }
  FORMWORK_INLINE void store(T* p, int count) const {
#if defined(__AVX512F__)
    if constexpr (std::is_same_v<T, float> && Width == 16) {
      __m512 x; std::memcpy(&x, &v, sizeof x);
      _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1u), x); return;
    }
#endif
    for (int i = 0; i < Width; ++i) if (i < count) p[i] = v[i];
  }
  // Elements p[0], p[stride], p[2 stride], ...
  FORMWORK_INLINE static pack load_strided(const T* p, std::ptrdiff_t stride, int count = Width) {
    pack r(T(0));
    for (int i = 0; i < Width; ++i) if (i < count) r.v[i] = p[i * stride];
    return r;
  }
  // first, first + 1, first + 2, ...
  FORMWORK_INLINE static pack iota(T first) {
    pack r;
    for (int i = 0; i < Width; ++i) r.v[i] = first + static_cast<T>(i);
    return r;
  }
  FORMWORK_INLINE T operator[](int i) const { return v[i]; }

  FORMWORK_INLINE friend pack operator+(pack a, pack b) { return a.v + b.v; }
  FORMWORK_INLINE friend pack operator-(pack a, pack b) { return a.v - b.v; }
  FORMWORK_INLINE friend pack operator*(pack a, pack b) { return a.v * b.v; }
  FORMWORK_INLINE friend pack operator/(pack a, pack b) { return a.v / b.v; }
  FORMWORK_INLINE friend pack operator-(pack a) { return -a.v; }
  FORMWORK_INLINE pack& operator+=(pack b) { v += b.v; return *this; }
  FORMWORK_INLINE pack& operator-=(pack b) { v -= b.v; return *this; }
  FORMWORK_INLINE pack& operator*=(pack b) { v *= b.v; return *this; }

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

// a b + c, rounded once where the machine has a fused multiply-add.
template <class T, int Width>
FORMWORK_INLINE pack<T, Width> fma(pack<T, Width> a, pack<T, Width> b, pack<T, Width> c) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<T, float> && Width == 16)
    return pack<T, Width>((typename pack<T, Width>::vector)_mm512_fmadd_ps((__m512)a.v, (__m512)b.v, (__m512)c.v));
  if constexpr (std::is_same_v<T, double> && Width == 8)
    return pack<T, Width>((typename pack<T, Width>::vector)_mm512_fmadd_pd((__m512d)a.v, (__m512d)b.v, (__m512d)c.v));
#endif
#if defined(__FMA__)
  if constexpr (std::is_same_v<T, float> && Width == 8)
    return pack<T, Width>((typename pack<T, Width>::vector)_mm256_fmadd_ps((__m256)a.v, (__m256)b.v, (__m256)c.v));
  if constexpr (std::is_same_v<T, double> && Width == 4)
    return pack<T, Width>((typename pack<T, Width>::vector)_mm256_fmadd_pd((__m256d)a.v, (__m256d)b.v, (__m256d)c.v));
#endif
  return a * b + c;
}

// Element-wise conversion of value, not of bits.
template <class To, class From, int Width>
FORMWORK_INLINE pack<To, Width> convert(pack<From, Width> a) {
  if constexpr (std::is_same_v<To, From>) return a;
  else return pack<To, Width>(__builtin_convertvector(a.v, typename pack<To, Width>::vector));
}

// Horizontal sum and maximum in a fixed order: halves are folded onto each other.
template <class T, int Width> FORMWORK_INLINE T reduce_add(pack<T, Width> a) {
  T x[Width];
  a.store(x);
  for (int half = Width / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) x[i] += x[i + half];
  return x[0];
}
template <class T, int Width> FORMWORK_INLINE T reduce_max(pack<T, Width> a) {
  T x[Width];
  a.store(x);
  for (int half = Width / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) x[i] = x[i] > x[i + half] ? x[i] : x[i + half];
  return x[0];
}

}  // namespace formwork::cpu
