// Elementary functions that the formulas of operations call as primitives, for scalars: those of the C library on
// the host and of CUDA in device code, which have the same names; sin and cos of a float are trig.hpp's.
// backend/cpu/simd_math.hpp has the same functions for SIMD packs, found by argument-dependent lookup: a formula says
// `using formwork::math::exp;` and works on both.
#pragma once

#include <math.h>

#include <limits>
#include <type_traits>

#include "config.hpp"
#include "trig.hpp"

namespace formwork::math {

namespace detail {
template <class T> concept arithmetic = std::is_arithmetic_v<T>;
template <class T> concept floating = std::is_same_v<T, float> || std::is_same_v<T, double>;
}  // namespace detail

// select(c, a, b): a where c holds, else b. Both are evaluated.
template <detail::arithmetic A, detail::arithmetic B>
FORMWORK_FN constexpr std::common_type_t<A, B> select(bool c, A a, B b) { return c ? a : b; }

// |a|; the most negative integer stays as it is.
template <detail::arithmetic T> FORMWORK_FN constexpr T abs(T a) {
  if constexpr (detail::floating<T>) return a < T(0) ? -a : a + T(0);          // a + 0: -0 becomes +0
  else if constexpr (std::is_unsigned_v<T>) return a;
  else return a < 0 ? static_cast<T>(-static_cast<std::make_unsigned_t<T>>(a)) : a;
}

// The smaller and the larger; a NaN in either argument is the result (PyTorch's minimum and maximum).
// Of two zeros of different sign either may be the result. GPUs have one instruction for floats, which is not in C++.
template <detail::arithmetic A, detail::arithmetic B>
FORMWORK_FN constexpr std::common_type_t<A, B> min(A a, B b) {
  const std::common_type_t<A, B> x = a, y = b;
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<std::common_type_t<A, B>, float>) {
    if (!std::is_constant_evaluated()) {
      float r;
      asm("min.NaN.f32 %0, %1, %2;" : "=f"(r) : "f"(x), "f"(y));
      return r;
    }
  }
#endif
  return (x < y || x != x) ? x : y;
}
template <detail::arithmetic A, detail::arithmetic B>
FORMWORK_FN constexpr std::common_type_t<A, B> max(A a, B b) {
  const std::common_type_t<A, B> x = a, y = b;
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<std::common_type_t<A, B>, float>) {
    if (!std::is_constant_evaluated()) {
      float r;
      asm("max.NaN.f32 %0, %1, %2;" : "=f"(r) : "f"(x), "f"(y));
      return r;
    }
  }
#endif
  return (x > y || x != x) ? x : y;
}

FORMWORK_FN inline float exp(float x) { return ::expf(x); }
FORMWORK_FN inline double exp(double x) { return ::exp(x); }
FORMWORK_FN inline float expm1(float x) { return ::expm1f(x); }
FORMWORK_FN inline double expm1(double x) { return ::expm1(x); }
FORMWORK_FN inline float log(float x) { return ::logf(x); }
FORMWORK_FN inline double log(double x) { return ::log(x); }
FORMWORK_FN inline float log1p(float x) { return ::log1pf(x); }
FORMWORK_FN inline double log1p(double x) { return ::log1p(x); }
FORMWORK_FN inline float tanh(float x) { return ::tanhf(x); }
FORMWORK_FN inline double tanh(double x) { return ::tanh(x); }
FORMWORK_FN inline float erf(float x) { return ::erff(x); }
FORMWORK_FN inline double erf(double x) { return ::erf(x); }
FORMWORK_FN inline double sin(double x) { return ::sin(x); }  // of float: trig.hpp
FORMWORK_FN inline double cos(double x) { return ::cos(x); }
FORMWORK_FN inline float sqrt(float x) { return ::sqrtf(x); }
FORMWORK_FN inline double sqrt(double x) { return ::sqrt(x); }
FORMWORK_FN inline float floor(float x) { return ::floorf(x); }
FORMWORK_FN inline double floor(double x) { return ::floor(x); }
FORMWORK_FN inline float pow(float x, float y) { return ::powf(x, y); }
FORMWORK_FN inline double pow(double x, double y) { return ::pow(x, y); }

// a b + c, rounded once.
FORMWORK_FN inline float fma(float a, float b, float c) { return ::fmaf(a, b, c); }
FORMWORK_FN inline double fma(double a, double b, double c) { return ::fma(a, b, c); }

// 1 / sqrt(x).
FORMWORK_FN inline float rsqrt(float x) {
#if defined(__CUDA_ARCH__)
  return ::rsqrtf(x);
#else
  return 1.0f / ::sqrtf(x);
#endif
}
FORMWORK_FN inline double rsqrt(double x) {
#if defined(__CUDA_ARCH__)
  return ::rsqrt(x);
#else
  return 1.0 / ::sqrt(x);
#endif
}

// 1 / (1 + exp(-x)), from e = exp(-|x|) <= 1: nothing overflows, and the result keeps its relative accuracy
// for large negative x, where it is e / (1 + e).
template <detail::floating T> FORMWORK_FN inline T sigmoid(T x) {
  const T e = exp(-abs(x)), y = T(1) / (T(1) + e);
  return x < T(0) ? e * y : y;
}

// Neither infinite nor NaN.
template <detail::floating T> FORMWORK_FN constexpr bool isfinite(T x) {
  constexpr T largest = std::numeric_limits<T>::max();
  return x >= -largest && x <= largest;
}

}  // namespace formwork::math
