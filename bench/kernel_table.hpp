// A table of what each kernel of a program takes.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "formwork/kernels/frozen.hpp"

namespace formwork::bench {

struct kernel_time {
  double seconds = 0;  // of one launch
  long launches = 0;   // in one step
};

// times[k] is of kernel k of the compiled Program.
template <class Program> void print_kernels(std::string const& heading, std::vector<kernel_time> const& times) {
  double all = 0;
  for (kernel_time const& t : times) all += t.seconds * static_cast<double>(t.launches);
  std::printf("%s: %.3f ms\n", heading.c_str(), 1e3 * all);
  for (std::size_t k = 0; k < times.size(); ++k) {
    frozen_kernel const& q = Program::value.kernels[k];
    kernel_time const& t = times[k];
    std::printf("  %2zu %-15s %5ld x %5ld x %6ld %6ld  %3ld x %9.1f us  %4.1f%%", k, std::string(name_of(q.what)).c_str(), q.batch, q.rows, q.columns, q.depth, t.launches, 1e6 * t.seconds,
                100 * t.seconds * static_cast<double>(t.launches) / all);
    if (q.what == skeleton::contract)
      std::printf("  %8.1f GFLOP/s", 2e-9 * static_cast<double>(q.batch * q.rows * q.columns) * static_cast<double>(q.depth) / t.seconds);
    std::printf("\n");
  }
  std::fflush(stdout);
}

}  // namespace formwork::bench
