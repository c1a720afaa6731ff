// A test that needs a GPU says so where there is none; ctest counts it as skipped.
#pragma once

#include <cstdio>

#include "gpu/training.hpp"
#include "support/catch.hpp"

#define FORMWORK_NEEDS_GPU()                                                                  \
  if (formwork::testing::gpu_name().empty()) {                                                \
    std::puts("SKIPPED: this test needs an NVIDIA GPU, and this machine has none");           \
    SUCCEED();                                                                                \
    return;                                                                                   \
  }
