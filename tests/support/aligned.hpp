// Arrays that begin at a multiple of 64 bytes, filled with what nobody wrote.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>

namespace formwork::testing {

template <class T> std::unique_ptr<T[], void (*)(void*)> aligned_array(std::size_t n) {
  std::size_t bytes = (n * sizeof(T) + 127) / 64 * 64;
  auto* p = static_cast<T*>(std::aligned_alloc(64, bytes));
  std::fill_n(reinterpret_cast<unsigned char*>(p), bytes, static_cast<unsigned char>(0xc1));  // stale memory must not matter
  return {p, std::free};
}

}  // namespace formwork::testing
