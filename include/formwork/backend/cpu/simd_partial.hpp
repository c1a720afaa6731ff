// Loads and stores of the first `count` lanes of a vector, on raw vector types: masked instructions where the
// instruction set has them (AVX-512: all element sizes, AVX2: 4 and 8 bytes), else a loop over the lanes.
// Memory beyond the counted lanes is never touched, so that the tail of an array may end a page.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "../../core/config.hpp"

#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__SSE2__)  // of g++ 13's immintrin.h nvcc 12.4 does not know everything
#include <emmintrin.h>
#endif

namespace formwork::cpu::detail {

// The compilers' vector of `Width` elements, at any address and of any declared type.
template <class T, int Width> struct lanes {
  typedef T type __attribute__((vector_size(Width * sizeof(T)), aligned(sizeof(T)), may_alias));
};
template <class T, int Width> using lanes_t = typename lanes<T, Width>::type;

template <int Bytes> struct signed_integer;
template <> struct signed_integer<1> { using type = std::int8_t; };
template <> struct signed_integer<2> { using type = std::int16_t; };
template <> struct signed_integer<4> { using type = std::int32_t; };
template <> struct signed_integer<8> { using type = std::int64_t; };
template <> struct signed_integer<16> { using type = std::int64_t; };

// 0, 1, 2, ...
template <class T, int Width> FORMWORK_INLINE lanes_t<T, Width> iota_lanes() {
  return []<int... I>(std::integer_sequence<int, I...>) {
    return lanes_t<T, Width>{static_cast<T>(I)...};
  }(std::make_integer_sequence<int, Width>{});
}

// What a group of `Bytes` bytes with elements of `Size` bytes can do by one masked instruction.
template <int Size, int Bytes> consteval bool has_masked_move() {
  [[maybe_unused]] constexpr bool whole = Bytes == 16 || Bytes == 32;
  [[maybe_unused]] constexpr bool wide = Size == 4 || Size == 8;
#if defined(__AVX512F__)
#if defined(__AVX512VL__) && defined(__AVX512BW__)
  return Bytes == 64 || whole;
#else
  return Bytes == 64 && wide;
#endif
#elif defined(__AVX2__)
  return whole && wide;
#else
  return false;
#endif
}

#if defined(__AVX512F__)
// The bits of the first `count` of `Lanes` lanes; any count at or above `Lanes` gives all of them.
template <int Lanes> FORMWORK_INLINE std::uint64_t first_bits(int count) {
  if constexpr (Lanes == 64) return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
  else return (std::uint64_t{1} << (count < Lanes ? count : Lanes)) - 1;
}
#endif

template <class T, int Width> FORMWORK_INLINE lanes_t<T, Width> partial_load(const T* p, int count) {
  using vector = lanes_t<T, Width>;
  constexpr int size = sizeof(T), bytes = Width * size;
  if constexpr (has_masked_move<size, bytes>()) {
#if defined(__AVX512F__)
    [[maybe_unused]] const auto k = first_bits<Width>(count);
    if constexpr (bytes == 64 && size == 4) return (vector)_mm512_maskz_loadu_epi32(static_cast<__mmask16>(k), p);
    else if constexpr (bytes == 64 && size == 8) return (vector)_mm512_maskz_loadu_epi64(static_cast<__mmask8>(k), p);
#if defined(__AVX512VL__) && defined(__AVX512BW__)
    else if constexpr (bytes == 64 && size == 2) return (vector)_mm512_maskz_loadu_epi16(static_cast<__mmask32>(k), p);
    else if constexpr (bytes == 64) return (vector)_mm512_maskz_loadu_epi8(k, p);
    else if constexpr (bytes == 32 && size == 4) return (vector)_mm256_maskz_loadu_epi32(static_cast<__mmask8>(k), p);
    else if constexpr (bytes == 32 && size == 8) return (vector)_mm256_maskz_loadu_epi64(static_cast<__mmask8>(k), p);
    else if constexpr (bytes == 32 && size == 2) return (vector)_mm256_maskz_loadu_epi16(static_cast<__mmask16>(k), p);
    else if constexpr (bytes == 32) return (vector)_mm256_maskz_loadu_epi8(static_cast<__mmask32>(k), p);
    else if constexpr (size == 4) return (vector)_mm_maskz_loadu_epi32(static_cast<__mmask8>(k), p);
    else if constexpr (size == 8) return (vector)_mm_maskz_loadu_epi64(static_cast<__mmask8>(k), p);
    else if constexpr (size == 2) return (vector)_mm_maskz_loadu_epi16(static_cast<__mmask8>(k), p);
    else return (vector)_mm_maskz_loadu_epi8(static_cast<__mmask16>(k), p);
#endif
#elif defined(__AVX2__)
    using integer = typename signed_integer<size>::type;
    const auto m = iota_lanes<integer, Width>() < (static_cast<integer>(count) - lanes_t<integer, Width>{});
    using wide = long long;
    if constexpr (bytes == 32 && size == 4)
      return (vector)_mm256_maskload_epi32(reinterpret_cast<const int*>(p), (__m256i)m);
    else if constexpr (bytes == 32)
      return (vector)_mm256_maskload_epi64(reinterpret_cast<const wide*>(p), (__m256i)m);
    else if constexpr (size == 4) return (vector)_mm_maskload_epi32(reinterpret_cast<const int*>(p), (__m128i)m);
    else return (vector)_mm_maskload_epi64(reinterpret_cast<const wide*>(p), (__m128i)m);
#endif
  } else {
    vector r{};
    for (int i = 0; i < Width; ++i) if (i < count) r[i] = p[i];
    return r;
  }
}

template <class T, int Width> FORMWORK_INLINE void partial_store(T* p, lanes_t<T, Width> v, int count) {
  constexpr int size = sizeof(T), bytes = Width * size;
  if constexpr (has_masked_move<size, bytes>()) {
#if defined(__AVX512F__)
    [[maybe_unused]] const auto k = first_bits<Width>(count);
    if constexpr (bytes == 64 && size == 4) _mm512_mask_storeu_epi32(p, static_cast<__mmask16>(k), (__m512i)v);
    else if constexpr (bytes == 64 && size == 8) _mm512_mask_storeu_epi64(p, static_cast<__mmask8>(k), (__m512i)v);
#if defined(__AVX512VL__) && defined(__AVX512BW__)
    else if constexpr (bytes == 64 && size == 2) _mm512_mask_storeu_epi16(p, static_cast<__mmask32>(k), (__m512i)v);
    else if constexpr (bytes == 64) _mm512_mask_storeu_epi8(p, k, (__m512i)v);
    else if constexpr (bytes == 32 && size == 4) _mm256_mask_storeu_epi32(p, static_cast<__mmask8>(k), (__m256i)v);
    else if constexpr (bytes == 32 && size == 8) _mm256_mask_storeu_epi64(p, static_cast<__mmask8>(k), (__m256i)v);
    else if constexpr (bytes == 32 && size == 2) _mm256_mask_storeu_epi16(p, static_cast<__mmask16>(k), (__m256i)v);
    else if constexpr (bytes == 32) _mm256_mask_storeu_epi8(p, static_cast<__mmask32>(k), (__m256i)v);
    else if constexpr (size == 4) _mm_mask_storeu_epi32(p, static_cast<__mmask8>(k), (__m128i)v);
    else if constexpr (size == 8) _mm_mask_storeu_epi64(p, static_cast<__mmask8>(k), (__m128i)v);
    else if constexpr (size == 2) _mm_mask_storeu_epi16(p, static_cast<__mmask8>(k), (__m128i)v);
    else _mm_mask_storeu_epi8(p, static_cast<__mmask16>(k), (__m128i)v);
#endif
#elif defined(__AVX2__)
    using integer = typename signed_integer<size>::type;
    const auto m = iota_lanes<integer, Width>() < (static_cast<integer>(count) - lanes_t<integer, Width>{});
    using wide = long long;
    if constexpr (bytes == 32 && size == 4)
      _mm256_maskstore_epi32(reinterpret_cast<int*>(p), (__m256i)m, (__m256i)v);
    else if constexpr (bytes == 32)
      _mm256_maskstore_epi64(reinterpret_cast<wide*>(p), (__m256i)m, (__m256i)v);
    else if constexpr (size == 4) _mm_maskstore_epi32(reinterpret_cast<int*>(p), (__m128i)m, (__m128i)v);
    else _mm_maskstore_epi64(reinterpret_cast<wide*>(p), (__m128i)m, (__m128i)v);
#endif
  } else {
    for (int i = 0; i < Width; ++i) if (i < count) p[i] = v[i];
  }
}

}  // namespace formwork::cpu::detail
