// The emulator: a block of CUDA threads as fibres on one thread of the host. A fibre runs until it meets others at a
// barrier or at an instruction of its warp; which goes next is drawn by seed. This file and scheduler.cpp are compiled
// without ThreadSanitizer; kernels may be compiled with it, and each lane is then a fibre of its own to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace formwork::emulator {

// What the emulator does wrong on purpose: each must be caught by a test. `at` counts the occurrences in a launch.
enum class fault {
  none,
  drop_barrier,      // occurrence `at` of sync() in each thread does not wait
  drop_wait,         // occurrence `at` of copy_wait() in each thread does not wait
  wrong_swizzle,     // matrix addresses lose bit 4 of their swizzle
  wide_predicate,    // copies that should give zeros, or end in zeros, copy what is there
  swapped_rows,      // rows g and g + 8 of every product's result are exchanged
};

// The most barriers and waits that a thread came to.
struct synchronization { int barriers = 0, waits = 0; };

struct settings {
  std::uint64_t seed = 1;
  fault wrong = fault::none;
  int at = 0;
  const char* only = nullptr;         // the name of the kernel that has the fault and is counted; null: all
  synchronization* count = nullptr;   // null: nobody counts
  bool sanitize = false;  // announce the fibres to ThreadSanitizer
};

// A kernel did what no kernel may: lanes of a warp at different instructions, a barrier that some have left, ...
struct report : std::runtime_error { using std::runtime_error::runtime_error; };

struct launch_size {
  long blocks = 1;
  int threads = 32;
  std::size_t shared_bytes = 0;
};

// What one fibre knows of itself.
struct fibre;

using body_t = void (*)(void* argument, fibre& self);

// Runs a whole launch. Throws report.
void run(launch_size const& size, settings const& how, const char* name, body_t body, void* argument);

int thread_of(fibre const& f);
long block_of(fibre const& f);
std::byte* shared_of(fibre const& f);
settings const& settings_of(fibre const& f);

void barrier(fibre& f);

// All 32 lanes of a warp give `bytes` at `in` to one call of compute(all inputs, all outputs, extra), and get theirs at
// `out`. `what` names the instruction: lanes that meet at different ones are reported.
using warp_compute = void (*)(const std::byte* in, std::byte* out, const void* extra);
void warp_meet(fibre& f, const char* what, const void* in, std::size_t in_bytes, void* out, std::size_t out_bytes, warp_compute compute, const void* extra, bool orders_memory);

// Ends the launch with a report.
[[noreturn]] void complain(fibre& f, std::string const& what);

// True once in `one_in` calls, drawn by seed.
bool coin(fibre& f, unsigned one_in);

}  // namespace formwork::emulator
