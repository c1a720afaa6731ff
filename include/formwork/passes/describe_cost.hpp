// describe(program_cost): one quantity a line.
#pragma once

#include <iomanip>
#include <sstream>
#include <string>

#include "cost.hpp"

namespace formwork {

inline std::string describe(program_cost const& c) {
  std::ostringstream s;
  s << std::fixed << std::setprecision(1);
  s << "parameters    " << c.parameters << '\n'
    << "operations    " << static_cast<double>(c.flops) / 1e9 << " GFLOP\n"
    << "bytes moved   " << static_cast<double>(c.bytes_moved) / 1048576 << " MiB\n"
    << "workspace     " << static_cast<double>(c.workspace_bytes) / 1048576 << " MiB\n"
    << "peak memory   " << static_cast<double>(c.peak_bytes) / 1048576 << " MiB\n"
    << "kernels       " << c.kernels << ", " << c.launches << " launches\n";
  return s.str();
}

}  // namespace formwork
