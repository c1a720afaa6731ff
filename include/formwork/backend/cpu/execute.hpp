// execute<kernel>: how the CPU runs a kernel type; specialised once per skeleton.
//   static constexpr std::size_t scratch_bytes;        shared by all threads of a launch
//   static void run(launch_context const&);
#pragma once

#include "../../kernels/launch.hpp"
#include "../../kernels/tape.hpp"

namespace formwork::cpu {

template <class Kernel> struct execute;

}  // namespace formwork::cpu
