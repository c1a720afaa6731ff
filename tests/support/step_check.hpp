// Runs a traced function as a compiled step and in the f64 interpreter, and compares every output.
#pragma once

#include <vector>

#include "formwork/backend/cpu/cpu.hpp"
#include "formwork/trace/trace.hpp"
#include "support/aligned.hpp"
#include "support/catch.hpp"
#include "support/oracle.hpp"

namespace formwork::testing {

// Source::make() gives the program, Program is what it is compiled to.
template <class Source, class Device = cpu_device, class Program = compiled<Source>> std::vector<comparison> compare_step(step_check_options const& o = {}) {
  using run = step<Program, Device>;
  return compare_with_oracle({.program = Source::make(), .workspace_bytes = run::workspace_bytes, .run = run::run}, o);
}

// Every output is within `tolerance` of the oracle's, relative to its norm, and the oracle's is not all zeros.
template <class Source, class Device = cpu_device> std::vector<comparison> check_step(double tolerance, step_check_options const& o = {}) {
  auto all = compare_step<Source, Device>(o);
  REQUIRE(!all.empty());
  for (auto const& c : all) {
    CAPTURE(c.name, c.error, c.norm, tolerance);
    CHECK(c.norm > 0);
    CHECK(c.error <= tolerance);
  }
  return all;
}

}  // namespace formwork::testing
