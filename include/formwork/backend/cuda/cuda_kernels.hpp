// The kernels of the CUDA backend: a kernel_plan<> for every skeleton. Any C++20 compiler can read this; what starts
// them on a GPU is cuda.hpp.
#pragma once

#include "attend.hpp"
#include "contract.hpp"
#include "rows.hpp"
#include "scatter.hpp"
