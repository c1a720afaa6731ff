// Element types: the C++ types of tensor elements, and their names as data for the constexpr program.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "config.hpp"

namespace formwork {

// bfloat16: the upper half of an IEEE binary32; converts with round to nearest even, NaN stays NaN.
struct bf16 {
  std::uint16_t bits = 0;

  constexpr bf16() = default;
  FORMWORK_FN constexpr explicit bf16(float x) {
#if defined(__CUDA_ARCH__)  // one instruction; its NaN is another one
    if (!std::is_constant_evaluated()) {
      asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
      return;
    }
#endif
    auto u = std::bit_cast<std::uint32_t>(x);
    if ((u & 0x7fffffffu) > 0x7f800000u)
      bits = static_cast<std::uint16_t>((u >> 16) | 0x40u);
    else
      bits = static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  FORMWORK_FN constexpr operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
};

// IEEE binary16; converts with round to nearest even, NaN stays NaN, what is too large becomes infinite.
struct f16 {
  std::uint16_t bits = 0;

  constexpr f16() = default;
  FORMWORK_FN constexpr explicit f16(float x) {
#if defined(__CUDA_ARCH__)
    if (!std::is_constant_evaluated()) {
      asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
      return;
    }
#endif
    const auto u = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t sign = (u >> 16) & 0x8000u, magnitude = u & 0x7fffffffu;
    std::uint32_t h;
    if (magnitude > 0x7f800000u) h = 0x7e00u;                      // NaN
    else if (magnitude >= 0x477ff000u) h = 0x7c00u;                // 65520 and more round to infinity
    else if (magnitude >= 0x38800000u)                             // normal: 2^-14 and more
      h = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
    else if (magnitude < 0x33000000u) h = 0;                       // below 2^-25
    else {                                                         // subnormal: multiples of 2^-24
      const std::uint32_t shift = 126u - (magnitude >> 23), m = (magnitude & 0x7fffffu) | 0x800000u;
      const std::uint32_t rest = m & ((1u << shift) - 1u), half = 1u << (shift - 1u);
      h = m >> shift;
      h += rest > half || (rest == half && (h & 1u)) ? 1u : 0u;
    }
    bits = static_cast<std::uint16_t>(sign | h);
  }
  FORMWORK_FN constexpr operator float() const {
#if defined(__CUDA_ARCH__)
    if (!std::is_constant_evaluated()) {
      float x;
      asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
      return x;
    }
#endif
    const std::uint32_t sign = (bits & 0x8000u) << 16, exponent = (bits >> 10) & 31u, m = bits & 0x3ffu;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | m << 13);
    if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112u) << 23 | m << 13);
    const float x = static_cast<float>(m) * 0x1p-24f;
    return sign ? -x : x;
  }
};

// The element types of a program's values. `boolean` is the result of a comparison.
enum class dtype : std::uint8_t { f32, f64, bf16, f16, i32, i64, u8, boolean };

FORMWORK_FN constexpr std::size_t size_of(dtype t) {
  switch (t) {
    case dtype::f64: case dtype::i64: return 8;
    case dtype::f32: case dtype::i32: return 4;
    case dtype::bf16: case dtype::f16: return 2;
    case dtype::u8: case dtype::boolean: return 1;
  }
  return 0;
}

constexpr std::string_view name_of(dtype t) {
  switch (t) {
    case dtype::f32: return "f32";
    case dtype::f64: return "f64";
    case dtype::bf16: return "bf16";
    case dtype::f16: return "f16";
    case dtype::i32: return "i32";
    case dtype::i64: return "i64";
    case dtype::u8: return "u8";
    case dtype::boolean: return "bool";
  }
  return "?";
}

constexpr bool is_floating(dtype t) { return t == dtype::f32 || t == dtype::f64 || t == dtype::bf16 || t == dtype::f16; }

// Every number of type x is one of type wide.
constexpr bool holds_all_of(dtype wide, dtype x) {
  if (wide == x || x == dtype::boolean) return true;
  switch (x) {
    case dtype::u8: return wide != dtype::boolean;  // 8 bits: bf16 has just these
    case dtype::bf16: case dtype::f16: return wide == dtype::f32 || wide == dtype::f64;
    case dtype::f32: return wide == dtype::f64;
    case dtype::i32: return wide == dtype::f64 || wide == dtype::i64;
    default: return false;
  }
}

// The type that sums and statistics of elements have: 16 bits are too few.
constexpr dtype accumulation_of(dtype t) { return t == dtype::bf16 || t == dtype::f16 ? dtype::f32 : t; }

namespace detail {
template <dtype> struct element;
template <> struct element<dtype::f32> { using type = float; };
template <> struct element<dtype::f64> { using type = double; };
template <> struct element<dtype::bf16> { using type = bf16; };
template <> struct element<dtype::f16> { using type = f16; };
template <> struct element<dtype::i32> { using type = std::int32_t; };
template <> struct element<dtype::i64> { using type = std::int64_t; };
template <> struct element<dtype::u8> { using type = std::uint8_t; };
template <> struct element<dtype::boolean> { using type = bool; };

template <class T> struct dtype_of;
template <> struct dtype_of<float> { static constexpr dtype value = dtype::f32; };
template <> struct dtype_of<double> { static constexpr dtype value = dtype::f64; };
template <> struct dtype_of<bf16> { static constexpr dtype value = dtype::bf16; };
template <> struct dtype_of<f16> { static constexpr dtype value = dtype::f16; };
template <> struct dtype_of<std::int32_t> { static constexpr dtype value = dtype::i32; };
template <> struct dtype_of<std::int64_t> { static constexpr dtype value = dtype::i64; };
template <> struct dtype_of<std::uint8_t> { static constexpr dtype value = dtype::u8; };
template <> struct dtype_of<bool> { static constexpr dtype value = dtype::boolean; };
}  // namespace detail

template <dtype Type> using element_t = typename detail::element<Type>::type;
template <class T> inline constexpr dtype dtype_of = detail::dtype_of<std::remove_cv_t<T>>::value;

}  // namespace formwork
