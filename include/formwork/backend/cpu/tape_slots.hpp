// The values of a tape's slots: packs of the kernel's floating type, of i32, and masks.
#pragma once

#include <cstdint>

#include "../../kernels/tape_row.hpp"
#include "simd.hpp"
#include "simd_math.hpp"
#include "simd_philox.hpp"

namespace formwork::cpu {

template <class T, int Width, int Size> struct element_slots {
  pack<T, Width> f[Size];
  pack<std::int32_t, Width> i[Size];
  mask<T, Width> b[Size];
};

// The same lanes in a mask for elements of another size.
template <class To, class From, int Width> FORMWORK_INLINE mask<To, Width> mask_as(mask<From, Width> m) {
  mask<To, Width> r;
  if constexpr (sizeof(To) == sizeof(From)) std::memcpy(&r.v, &m.v, sizeof(r.v));
  else r.v = __builtin_convertvector(m.v, typename mask<To, Width>::vector);
  return r;
}

// The value of slot S for an element-level reader whose result is of class Result.
template <class Traits, int S, slot_class Result, class T, int Width, int Size>
FORMWORK_INLINE auto element_value(row_slots<T, Size> const& row, element_slots<T, Width, Size> const& here) {
  constexpr bool is_row = Traits::levels[S] == level::row;
  constexpr slot_class c = class_of(Traits::types[S]);
  if constexpr (c == slot_class::floating) {
    if constexpr (is_row) return pack<T, Width>(row.f[S]);
    else return here.f[S];
  } else if constexpr (c == slot_class::integer) {
    if constexpr (is_row) return pack<std::int32_t, Width>(row.i[S]);
    else return here.i[S];
  } else {
    using lane = std::conditional_t<Result == slot_class::integer, std::int32_t, T>;
    if constexpr (is_row) return mask<lane, Width>::all(row.b[S]);
    else return mask_as<lane>(here.b[S]);
  }
}

template <int K, class T, int Width, int Size, class V> FORMWORK_INLINE void set_element(element_slots<T, Width, Size>& here, V v) {
  if constexpr (std::is_same_v<V, pack<T, Width>>) here.f[K] = v;
  else if constexpr (std::is_same_v<V, pack<std::int32_t, Width>>) here.i[K] = v;
  else here.b[K] = mask_as<T>(v);
}

// A cast of a pack; integers truncate as in C, booleans become 0 and 1.
template <slot_class To, class T, int Width, class V> FORMWORK_INLINE auto cast_element(V v) {
  if constexpr (To == slot_class::boolean) {
    if constexpr (std::is_same_v<V, mask<T, Width>>) return v;
    else return v != V(0);
  } else {
    using lane = std::conditional_t<To == slot_class::floating, T, std::int32_t>;
    if constexpr (requires { typename V::element; }) return convert<lane>(v);
    else return select(mask_as<lane>(v), pack<lane, Width>(1), pack<lane, Width>(0));
  }
}

}  // namespace formwork::cpu
