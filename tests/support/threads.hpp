// Runs what follows with a given number of threads, until it goes out of scope.
#pragma once

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace formwork::testing {

class thread_guard {
 public:
  explicit thread_guard([[maybe_unused]] int threads) {
#if defined(_OPENMP)
    before_ = omp_get_max_threads();
    omp_set_num_threads(threads);
#endif
  }
  ~thread_guard() {
#if defined(_OPENMP)
    omp_set_num_threads(before_);
#endif
  }
  thread_guard(thread_guard const&) = delete;
  thread_guard& operator=(thread_guard const&) = delete;

 private:
  [[maybe_unused]] int before_ = 1;
};

}  // namespace formwork::testing
