// Counts the heap allocations of a program, of all threads, sanitized or not: include it in one file of the program.
#pragma once

#include <atomic>
#include <cstdlib>
#include <new>

namespace formwork::testing {
inline std::atomic<long> allocations{0};

inline void* counted(void* p) {
  ++allocations;
  if (!p) throw std::bad_alloc();
  return p;
}
inline void* aligned(std::size_t bytes, std::align_val_t to) {
  const auto a = static_cast<std::size_t>(to);
  return std::aligned_alloc(a, (bytes + a - 1) / a * a);
}
}  // namespace formwork::testing

// All of them: a sanitizer compares what allocated with what frees.
[[gnu::noinline]] void* operator new(std::size_t bytes) { return formwork::testing::counted(std::malloc(bytes > 0 ? bytes : 1)); }
[[gnu::noinline]] void* operator new(std::size_t bytes, std::nothrow_t const&) noexcept {
  ++formwork::testing::allocations;
  return std::malloc(bytes > 0 ? bytes : 1);
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t to) {
  return formwork::testing::counted(formwork::testing::aligned(bytes, to));
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
