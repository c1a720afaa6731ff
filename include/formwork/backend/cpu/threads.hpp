// Threads with a fixed split of the work. Compiled without OpenMP, everything runs on the calling thread.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__unix__)
#include <sys/mman.h>
#endif

namespace formwork::cpu {

// Threads that the next parallel call may use; 1 inside one.
inline int thread_count() {
#if defined(_OPENMP)
  return omp_in_parallel() ? 1 : omp_get_max_threads();
#else
  return 1;
#endif
}

// Calls f(thread, threads) once on each of `threads` threads, at most thread_count().
template <class Function> void parallel_threads([[maybe_unused]] int wanted, Function const& f) {
#if defined(_OPENMP)
  if (wanted > 1 && !omp_in_parallel()) {
#pragma omp parallel num_threads(wanted)
    f(omp_get_thread_num(), omp_get_num_threads());
    return;
  }
#endif
  f(0, 1);
}

// The part [begin, end) of 0..count-1 of one thread: contiguous, sizes differ by at most one.
struct work_range {
  std::ptrdiff_t begin, end;
};
constexpr work_range part_of(std::ptrdiff_t count, int thread, int threads) {
  return {count * thread / threads, count * (thread + 1) / threads};
}

// Calls f(begin, end) with consecutive parts of 0..count-1, one per thread.
template <class Function> void parallel_ranges(std::ptrdiff_t count, Function const& f) {
  const std::ptrdiff_t most = thread_count();
  parallel_threads(static_cast<int>(count < most ? count : most), [&](int thread, int threads) {
    const work_range part = part_of(count, thread, threads);
    if (part.begin < part.end) f(part.begin, part.end);
  });
}

// Calls f(i) for i = 0..count-1; each thread takes one contiguous part.
template <class Function> void parallel_for(std::ptrdiff_t count, Function f) {
  parallel_ranges(count, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t i = begin; i < end; ++i) f(i);
  });
}

namespace detail {

// The only exception of a step: the system has no pages for a thread's scratch.
[[noreturn, gnu::cold, gnu::noinline]] inline void no_memory() { throw std::bad_alloc(); }

// Pages of one thread, mapped when first asked for and returned when the thread ends; never on the heap.
template <std::size_t Bytes> struct mapped_pages {
  void* address;
  mapped_pages() {
#if defined(__unix__)
    address = mmap(nullptr, Bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) no_memory();
#else
    address = ::operator new(Bytes, std::align_val_t(4096));
#endif
  }
  ~mapped_pages() {
#if defined(__unix__)
    munmap(address, Bytes);
#else
    ::operator delete(address, std::align_val_t(4096));
#endif
  }
  mapped_pages(mapped_pages const&) = delete;
  mapped_pages& operator=(mapped_pages const&) = delete;
};

}  // namespace detail

// Scratch of the calling thread, page-aligned, the same at every call; each Tag has its own.
template <class Tag, std::size_t Bytes> void* thread_scratch() {
  thread_local detail::mapped_pages<Bytes> pages;
  return pages.address;
}

}  // namespace formwork::cpu
