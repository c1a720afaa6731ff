// Programs of every skeleton, compiled by nvcc, and what they must give.
#pragma once

#include <vector>

#include "support/oracle.hpp"

namespace formwork::testing {

struct checked_program {
  const char* name;
  compiled_program what;
  double tolerance;
  step_check_options options;
};
std::vector<checked_program> rows_skeletons();
std::vector<checked_program> contract_skeletons();
std::vector<checked_program> attend_skeletons();

}  // namespace formwork::testing
