// What register tiles are written with: whole vectors from and to any address, one number in all lanes, and values that
// stay where they are.
#pragma once

#include "simd.hpp"

namespace formwork::cpu::detail {

// A whole vector in one instruction. (A copy of 32 bytes becomes two halves through the stack with g++ -mavx2.)
template <class T, int Width = native_width<T>> FORMWORK_INLINE pack<T, Width> load_whole(const T* p) {
  return pack<T, Width>(*reinterpret_cast<const typename pack<T, Width>::vector*>(p));
}
template <class T, int Width> FORMWORK_INLINE void store_whole(pack<T, Width> const& x, T* p) {
  *reinterpret_cast<typename pack<T, Width>::vector*>(p) = x.v;
}

// x in every lane. (x - 0 is x for every x, so that nothing but the broadcast is left.)
template <class T> FORMWORK_INLINE pack<T, native_width<T>> broadcast(T x) {
  return pack<T, native_width<T>>(x - typename pack<T, native_width<T>>::vector{});
}

// Ends no value's life before this point. Without it g++ 12 lets a multiply-add overwrite a factor at its
// last use and copies the sum back: 10 register moves per 24 multiply-adds in contract's tile, a seventh of the speed.
template <class T, int Width> FORMWORK_INLINE void keep([[maybe_unused]] pack<T, Width> const& x) {
#if defined(__AVX512F__)
  const auto value = x.v;
  asm volatile("" : : "v"(value));
#endif
}

}  // namespace formwork::cpu::detail
