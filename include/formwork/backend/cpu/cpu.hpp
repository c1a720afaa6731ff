// The CPU backend: an execute<> for every skeleton.
#pragma once

#include "../host_session.hpp"
#include "rows.hpp"
#include "run_attend.hpp"
#include "run_contract.hpp"
#include "run_scatter.hpp"

namespace formwork {

// Names the backend where a device is asked for.
struct cpu_device {
  template <class Kernel> using execute = cpu::execute<Kernel>;
  using session = host_session;
};

}  // namespace formwork
