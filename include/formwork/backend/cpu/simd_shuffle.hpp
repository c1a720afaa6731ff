// Lanes of packs in another order, fixed at compile time.
#pragma once

#include "simd.hpp"

namespace formwork::cpu {

// Lane i of the result is lane Lane_i of a and, from Width on, of b.
template <int... Lane, class T, int Width>
FORMWORK_INLINE pack<T, sizeof...(Lane)> shuffle(pack<T, Width> a, [[maybe_unused]] pack<T, Width> b) {
  using result = pack<T, sizeof...(Lane)>;
#if defined(__CUDACC__)
  // To the host's compiler nvcc writes __builtin_shufflevector without the dots of its last argument.
  return result((typename result::vector){(Lane < Width ? a.v[Lane % Width] : b.v[Lane % Width])...});
#else
  return result((typename result::vector)__builtin_shufflevector(a.v, b.v, Lane...));
#endif
}

}  // namespace formwork::cpu
