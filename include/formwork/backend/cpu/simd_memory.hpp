// Packs of one element type from memory of another (16-bit floats, bytes, integers), boolean bytes, and gathers.
#pragma once

#include "simd.hpp"

namespace formwork::cpu {

namespace detail {
// The integer or floating type that lies in memory for an element of type S.
template <class S> struct stored { using type = S; };
template <> struct stored<bf16> { using type = std::uint16_t; };
template <> struct stored<f16> { using type = std::uint16_t; };
template <> struct stored<bool> { using type = std::uint8_t; };

template <class S, int Width> using stored_lanes = lanes_t<typename stored<S>::type, Width>;

template <class S, int Width> FORMWORK_INLINE stored_lanes<S, Width> load_raw(const S* p) {
  stored_lanes<S, Width> r;
  std::memcpy(&r, p, sizeof r);
  return r;
}
// The `signed_integer` of the element's size is read through vectors and moves that may alias anything.
template <class S, int Width> FORMWORK_INLINE stored_lanes<S, Width> load_raw(const S* p, int count) {
  if constexpr (has_masked_move<sizeof(S), Width * static_cast<int>(sizeof(S))>()) {
    using integer = typename signed_integer<sizeof(S)>::type;
    return (stored_lanes<S, Width>)partial_load<integer, Width>(reinterpret_cast<const integer*>(p), count);
  } else {
    using raw = typename stored<S>::type;
    stored_lanes<S, Width> r{};
    for (int i = 0; i < Width; ++i) if (i < count) { raw x; std::memcpy(&x, p + i, sizeof x); r[i] = x; }
    return r;
  }
}
template <class S, int Width> FORMWORK_INLINE void store_raw(S* p, stored_lanes<S, Width> v) {
  std::memcpy(static_cast<void*>(p), &v, sizeof v);
}
template <class S, int Width> FORMWORK_INLINE void store_raw(S* p, stored_lanes<S, Width> v, int count) {
  if constexpr (has_masked_move<sizeof(S), Width * static_cast<int>(sizeof(S))>()) {
    using integer = typename signed_integer<sizeof(S)>::type;
    partial_store<integer, Width>(reinterpret_cast<integer*>(p), (lanes_t<integer, Width>)v, count);
  } else {
    using raw = typename stored<S>::type;
    for (int i = 0; i < Width; ++i)
      if (i < count) { raw x = v[i]; std::memcpy(static_cast<void*>(p + i), &x, sizeof x); }
  }
}

// Conversion of value between raw vectors; the widenings of bytes and halves that g++ 12 takes apart into
// scalars are one instruction each (the zero-masked forms: the plain ones warn in g++ 12's own header).
template <class To, class From, int Width> FORMWORK_INLINE lanes_t<To, Width> convert_raw(lanes_t<From, Width> v) {
  [[maybe_unused]] constexpr bool to_word = sizeof(To) == 4 && std::is_integral_v<To>;
#if defined(__AVX512F__)
  if constexpr (to_word && std::is_same_v<From, std::uint8_t> && Width == 16)
    return (lanes_t<To, Width>)_mm512_maskz_cvtepu8_epi32(0xffff, (__m128i)v);
  if constexpr (to_word && std::is_same_v<From, std::uint16_t> && Width == 16)
    return (lanes_t<To, Width>)_mm512_maskz_cvtepu16_epi32(0xffff, (__m256i)v);
  if constexpr (std::is_same_v<To, float> && std::is_same_v<From, std::uint8_t> && Width == 16)
    return (lanes_t<To, Width>)_mm512_maskz_cvtepi32_ps(0xffff, _mm512_maskz_cvtepu8_epi32(0xffff, (__m128i)v));
#elif defined(__AVX2__)
  if constexpr (to_word && std::is_same_v<From, std::uint16_t> && Width == 8)
    return (lanes_t<To, Width>)_mm256_cvtepu16_epi32((__m128i)v);
#endif
#if defined(__AVX2__)
  if constexpr (to_word && std::is_same_v<From, std::uint8_t> && Width == 8) {
    long long eight;
    std::memcpy(&eight, &v, 8);
    return (lanes_t<To, Width>)_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(eight));
  }
#endif
  return __builtin_convertvector(v, lanes_t<To, Width>);
}

// binary32 -> bfloat16, round to nearest even, NaN stays NaN: the same bits as formwork::bf16(float).
template <int Width> FORMWORK_INLINE lanes_t<std::uint16_t, Width> to_bf16(pack<float, Width> a) {
  const auto u = (lanes_t<std::uint32_t, Width>)a.v;
  const auto rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  const auto quiet = (u >> 16) | 0x40u;
  return __builtin_convertvector((u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded, lanes_t<std::uint16_t, Width>);
}
template <int Width> FORMWORK_INLINE pack<float, Width> from_bf16(lanes_t<std::uint16_t, Width> a) {
  return pack<float, Width>(
      (typename pack<float, Width>::vector)(convert_raw<std::uint32_t, std::uint16_t, Width>(a) << 16));
}

// binary32 <-> binary16, round to nearest even: the same bits as formwork::f16, but for which NaN it is.
template <int Width> FORMWORK_INLINE lanes_t<std::uint16_t, Width> to_f16(pack<float, Width> a) {
  using halves = lanes_t<std::uint16_t, Width>;
#if defined(__AVX512F__)
  if constexpr (Width == 16) return (halves)_mm512_maskz_cvtps_ph(0xffff, (__m512)a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#endif
#if defined(__F16C__)
  if constexpr (Width == 8) return (halves)_mm256_cvtps_ph((__m256)a.v, _MM_FROUND_TO_NEAREST_INT);
#endif
  halves r;
  for (int i = 0; i < Width; ++i) r[i] = f16(a.v[i]).bits;
  return r;
}
template <int Width> FORMWORK_INLINE pack<float, Width> from_f16(lanes_t<std::uint16_t, Width> a) {
  using floats = typename pack<float, Width>::vector;
#if defined(__AVX512F__)
  if constexpr (Width == 16) return pack<float, Width>((floats)_mm512_maskz_cvtph_ps(0xffff, (__m256i)a));
#endif
#if defined(__F16C__)
  if constexpr (Width == 8) return pack<float, Width>((floats)_mm256_cvtph_ps((__m128i)a));
#endif
  floats r;
  for (int i = 0; i < Width; ++i) r[i] = std::bit_cast<f16>(static_cast<std::uint16_t>(a[i]));
  return pack<float, Width>(r);
}
}  // namespace detail

namespace detail {
template <class T, class S, int Width> FORMWORK_INLINE pack<T, Width> decode(stored_lanes<S, Width> r) {
  if constexpr (std::is_same_v<S, bf16>) return convert<T>(from_bf16<Width>(r));
  else if constexpr (std::is_same_v<S, f16>) return convert<T>(from_f16<Width>(r));
  else if constexpr (std::is_same_v<S, T>) return pack<T, Width>(r);
  else return pack<T, Width>((typename pack<T, Width>::vector)convert_raw<T, typename stored<S>::type, Width>(r));
}
template <class S, class T, int Width> FORMWORK_INLINE stored_lanes<S, Width> encode(pack<T, Width> a) {
  if constexpr (std::is_same_v<S, bf16>) return to_bf16<Width>(convert<float>(a));
  else if constexpr (std::is_same_v<S, f16>) return to_f16<Width>(convert<float>(a));
  else if constexpr (std::is_same_v<S, bool>)
    return __builtin_convertvector((a != pack<T, Width>(T(0))).v & mask_integer_t<T>(1), stored_lanes<S, Width>);
  else if constexpr (std::is_same_v<S, T>) return a.v;
  else return __builtin_convertvector(a.v, stored_lanes<S, Width>);
}
}  // namespace detail

// `Width` (or the first `count`) elements of type S in memory, by value as pack<T, Width>; lanes beyond: zero.
template <class T, int Width = native_width<T>, class S> FORMWORK_INLINE pack<T, Width> load_as(const S* p) {
  return detail::decode<T, S, Width>(detail::load_raw<S, Width>(p));
}
template <class T, int Width = native_width<T>, class S>
FORMWORK_INLINE pack<T, Width> load_as(const S* p, int count) {
  return detail::decode<T, S, Width>(detail::load_raw<S, Width>(p, count));
}

// The reverse: 16-bit floats round to nearest even, integers truncate, a boolean is (x != 0).
template <class S, class T, int Width> FORMWORK_INLINE void store_as(S* p, pack<T, Width> a) {
  detail::store_raw<S, Width>(p, detail::encode<S>(a));
}
template <class S, class T, int Width> FORMWORK_INLINE void store_as(S* p, pack<T, Width> a, int count) {
  detail::store_raw<S, Width>(p, detail::encode<S>(a), count);
}

namespace detail {
template <class T, int Width> FORMWORK_INLINE mask<T, Width> mask_of_bytes(lanes_t<std::uint8_t, Width> bytes) {
  using word = mask_integer_t<T>;
  return {(typename mask<T, Width>::vector)(convert_raw<word, std::uint8_t, Width>(bytes) != lanes_t<word, Width>{})};
}
}  // namespace detail

template <class T, int Width> FORMWORK_INLINE mask<T, Width> mask<T, Width>::load(const bool* p) {
  return detail::mask_of_bytes<T, Width>(detail::load_raw<bool, Width>(p));
}
template <class T, int Width> FORMWORK_INLINE mask<T, Width> mask<T, Width>::load(const bool* p, int count) {
  return detail::mask_of_bytes<T, Width>(detail::load_raw<bool, Width>(p, count));
}
template <class T, int Width> FORMWORK_INLINE void mask<T, Width>::store(bool* p) const {
  detail::store_raw<bool, Width>(p, __builtin_convertvector(v & integer(1), detail::stored_lanes<bool, Width>));
}
template <class T, int Width> FORMWORK_INLINE void mask<T, Width>::store(bool* p, int count) const {
  detail::store_raw<bool, Width>(p, __builtin_convertvector(v & integer(1), detail::stored_lanes<bool, Width>), count);
}

// base[index[i]] in lane i < count, zero beyond; an index of a lane beyond is not used.
template <class T, int Width>
FORMWORK_INLINE pack<T, Width> gather(const T* base, pack<std::int32_t, Width> index, int count = Width) {
  [[maybe_unused]] constexpr int size = sizeof(T), bytes = Width * size;
  using vector [[maybe_unused]] = typename pack<T, Width>::vector;
#if defined(__AVX512F__)
  if constexpr (bytes == 64 && size == 4)
    return {(vector)_mm512_mask_i32gather_epi32(_mm512_setzero_si512(), static_cast<__mmask16>(detail::first_bits<16>(count)),
                                                (__m512i)index.v, base, 4)};
  if constexpr (bytes == 64 && size == 8)
    return {(vector)_mm512_mask_i32gather_epi64(_mm512_setzero_si512(), static_cast<__mmask8>(detail::first_bits<8>(count)),
                                                (__m256i)index.v, base, 8)};
#endif
#if defined(__AVX2__)
  [[maybe_unused]] const auto lanes = mask<T, Width>::first(count).v;
  if constexpr (bytes == 32 && size == 4)
    return {(vector)_mm256_mask_i32gather_epi32(_mm256_setzero_si256(), reinterpret_cast<const int*>(base),
                                                (__m256i)index.v, (__m256i)lanes, 4)};
  if constexpr (bytes == 32 && size == 8)
    return {(vector)_mm256_mask_i32gather_epi64(_mm256_setzero_si256(), reinterpret_cast<const long long*>(base),
                                                (__m128i)index.v, (__m256i)lanes, 8)};
#endif
  pack<T, Width> r(T(0));
  for (int i = 0; i < Width; ++i) if (i < count) r.v[i] = base[index.v[i]];
  return r;
}

// The same, by value as pack<T, Width>.
template <class T, class S, int Width> FORMWORK_INLINE pack<T, Width> gather_as(const S* base, pack<std::int32_t, Width> index) {
  if constexpr (std::is_arithmetic_v<S>) return convert<T>(gather(base, index));
  else {
    pack<T, Width> r;
    for (int i = 0; i < Width; ++i) r.v[i] = static_cast<T>(base[index.v[i]]);
    return r;
  }
}

}  // namespace formwork::cpu
