// Loads and stores of a tape: an argument's column address decides how a vector of neighbours is read.
#pragma once

#include <cstddef>

#include "tape_slots.hpp"

namespace formwork::cpu {

// A vector of `count` elements (all of Width when Full) at column c, from the row's first element.
template <class Column, bool Full, class Lane, int Width, class Stored>
FORMWORK_INLINE pack<Lane, Width> load_columns(const Stored* p, std::ptrdiff_t c, int count) {
  if constexpr (Column::rank == 0) {
    return pack<Lane, Width>(static_cast<Lane>(*p));
  } else if constexpr (Column::rank == 1 && Column::stride(0) == 1) {
    if constexpr (Full) return load_as<Lane, Width>(p + c);
    else return load_as<Lane, Width>(p + c, count);
  } else {
    pack<Lane, Width> r(Lane(0));
    for (int i = 0; i < Width; ++i)
      if (Full || i < count) r.v[i] = static_cast<Lane>(p[Column::offset(c + i)]);
    return r;
  }
}

template <class Column, bool Full, class Stored, class Lane, int Width>
FORMWORK_INLINE void store_columns(Stored* p, std::ptrdiff_t c, int count, pack<Lane, Width> v) {
  if constexpr (Column::rank == 1 && Column::stride(0) == 1) {
    if constexpr (Full) store_as<Stored>(p + c, v);
    else store_as<Stored>(p + c, v, count);
  } else {
    for (int i = 0; i < Width; ++i)
      if (Full || i < count) p[Column::offset(c + i)] = static_cast<Stored>(v[i]);
  }
}

template <class Column, bool Full, class T, int Width> FORMWORK_INLINE mask<T, Width> load_booleans(const bool* p, std::ptrdiff_t c, int count) {
  if constexpr (Column::rank == 0) return mask<T, Width>::all(*p);
  else if constexpr (Column::rank == 1 && Column::stride(0) == 1) return Full ? mask<T, Width>::load(p + c) : mask<T, Width>::load(p + c, count);
  else {
    mask<T, Width> r = mask<T, Width>::all(false);
    for (int i = 0; i < Width; ++i)
      if (Full || i < count) r.v[i] = p[Column::offset(c + i)] ? -1 : 0;
    return r;
  }
}

template <class Column, bool Full, class T, int Width> FORMWORK_INLINE void store_booleans(bool* p, std::ptrdiff_t c, int count, mask<T, Width> v) {
  for (int i = 0; i < Width; ++i)
    if (Full || i < count) p[Column::offset(c + i)] = v[i];
}

// Offsets of neighbouring elements, as i32 lanes: what a coordinate or a random number is made from.
template <class Column, int Width> FORMWORK_INLINE pack<std::int32_t, Width> column_offsets(std::ptrdiff_t row, std::ptrdiff_t c) {
  using lanes = pack<std::int32_t, Width>;
  if constexpr (Column::rank == 0) return lanes(static_cast<std::int32_t>(row));
  else if constexpr (Column::rank == 1)
    return lanes(static_cast<std::int32_t>(row)) + (lanes(static_cast<std::int32_t>(c)) + lanes::iota(0)) * lanes(static_cast<std::int32_t>(Column::stride(0)));
  else {
    lanes r;
    for (int i = 0; i < Width; ++i) r.v[i] = static_cast<std::int32_t>(row + Column::offset(c + i));
    return r;
  }
}

}  // namespace formwork::cpu
