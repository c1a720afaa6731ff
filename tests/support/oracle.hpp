// What a compiled program gives, compared with the f64 interpreter. Neither Catch nor a backend: nvcc compiles it too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "formwork/run/step.hpp"

namespace formwork::testing {

struct comparison {
  std::string name;
  double error = 0;  // root of the sum of squared differences over the root of the sum of squares
  double norm = 0;
  double distance = -1;  // the largest of an element, as a part of what rounding allows; where it is asked for
  bool teeth = false;    // and whether that rejects wrong results
  std::uint64_t bits = 0;  // hash_of what the step wrote: equal bits, equal hashes
};

// FNV-1a, 64 bits: results that differ have different hashes, but for one case in 2^64.
std::uint64_t hash_of(const void* data, std::size_t bytes);

struct step_check_options {
  unsigned seed = 1;
  double spread = 0.3;         // of random parameters and inputs
  long integer_limit = 1000;   // integer inputs are below
  std::vector<std::vector<std::int32_t>> integers{};         // of input k, where not empty: these
  std::vector<std::vector<std::int32_t>> oracle_integers{};  // what the interpreter gets instead
  void* queue = nullptr;       // of the device
  double bound = 0;            // the factor of rounding_options; 0: comparison::distance is not asked for
};

// Memory of a device, where it is not the host's.
struct device_memory {
  void* (*take)(std::size_t bytes);
  void (*give)(void*);
  void (*up)(void* to, const void* from, std::size_t bytes);    // from the host
  void (*down)(void* to, const void* from, std::size_t bytes);  // to the host
};

// A program, and what it is compiled to.
struct compiled_program {
  graph program;
  std::size_t workspace_bytes;
  void (*run)(step_memory const&);
  device_memory const* memory = nullptr;
};
// Throws wrote_outside where the guard zone of a buffer has been written.
std::vector<comparison> compare_with_oracle(compiled_program const& compiled, step_check_options const& o);

}  // namespace formwork::testing
