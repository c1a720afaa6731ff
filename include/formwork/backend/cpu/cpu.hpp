// The CPU backend: an execute<> for every skeleton.
#pragma once

#include "rows.hpp"
#include "run_attend.hpp"
#include "run_contract.hpp"
#include "run_scatter.hpp"

namespace formwork {

// Names the backend where a device is asked for.
struct cpu_device {
  template <class Kernel> using execute = cpu::execute<Kernel>;
};

}  // namespace formwork
