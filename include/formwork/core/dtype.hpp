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

// The element types of a program's values. `boolean` is the result of a comparison.
enum class dtype : std::uint8_t { f32, f64, bf16, i32, i64, u8, boolean };

FORMWORK_FN constexpr std::size_t size_of(dtype t) {
  switch (t) {
    case dtype::f64: case dtype::i64: return 8;
    case dtype::f32: case dtype::i32: return 4;
    case dtype::bf16: return 2;
    case dtype::u8: case dtype::boolean: return 1;
  }
  return 0;
}

constexpr std::string_view name_of(dtype t) {
  switch (t) {
    case dtype::f32: return "f32";
    case dtype::f64: return "f64";
    case dtype::bf16: return "bf16";
    case dtype::i32: return "i32";
    case dtype::i64: return "i64";
    case dtype::u8: return "u8";
    case dtype::boolean: return "bool";
  }
  return "?";
}

constexpr bool is_floating(dtype t) { return t == dtype::f32 || t == dtype::f64 || t == dtype::bf16; }

namespace detail {
template <dtype> struct element;
template <> struct element<dtype::f32> { using type = float; };
template <> struct element<dtype::f64> { using type = double; };
template <> struct element<dtype::bf16> { using type = bf16; };
template <> struct element<dtype::i32> { using type = std::int32_t; };
template <> struct element<dtype::i64> { using type = std::int64_t; };
template <> struct element<dtype::u8> { using type = std::uint8_t; };
template <> struct element<dtype::boolean> { using type = bool; };

template <class T> struct dtype_of;
template <> struct dtype_of<float> { static constexpr dtype value = dtype::f32; };
template <> struct dtype_of<double> { static constexpr dtype value = dtype::f64; };
template <> struct dtype_of<bf16> { static constexpr dtype value = dtype::bf16; };
template <> struct dtype_of<std::int32_t> { static constexpr dtype value = dtype::i32; };
template <> struct dtype_of<std::int64_t> { static constexpr dtype value = dtype::i64; };
template <> struct dtype_of<std::uint8_t> { static constexpr dtype value = dtype::u8; };
template <> struct dtype_of<bool> { static constexpr dtype value = dtype::boolean; };
}  // namespace detail

template <dtype Type> using element_t = typename detail::element<Type>::type;
template <class T> inline constexpr dtype dtype_of = detail::dtype_of<std::remove_cv_t<T>>::value;

}  // namespace formwork
