// A kernel at its launch, as data: its instructions, and the memory of its arguments, which it may not leave.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "formwork/kernels/frozen.hpp"
#include "support/random_counter.hpp"

namespace formwork::testing {

inline double get_element(unsigned char const* at, long i, dtype t) {
  switch (t) {
    case dtype::f32: { float x; std::memcpy(&x, at + 4 * i, 4); return x; }
    case dtype::i32: { std::int32_t x; std::memcpy(&x, at + 4 * i, 4); return x; }
    case dtype::boolean: return at[i];
    default: throw std::runtime_error("an element type that the reference does not know");
  }
}
inline void put_element(unsigned char* at, long i, dtype t, double v) {
  switch (t) {
    case dtype::f32: { float x = static_cast<float>(v); std::memcpy(at + 4 * i, &x, 4); return; }
    case dtype::i32: { std::int32_t x = std::isfinite(v) ? static_cast<std::int32_t>(v) : 0; std::memcpy(at + 4 * i, &x, 4); return; }
    case dtype::boolean: at[i] = v != 0; return;
    default: throw std::runtime_error("an element type that the reference does not know");
  }
}

struct launched_kernel {
  program_buffer const& p;
  frozen_kernel const* k;
  std::vector<unsigned char*> base, limit;  // of each argument: its memory, and one past the memory that it points into
  long iteration;                           // of the loop around it
  std::uint64_t seed;
  std::uint32_t step;

  instruction const& at(int i) const { return p.tape[static_cast<std::size_t>(k->first_instruction + i)]; }
  frozen_argument const& argument(int a) const { return p.arguments[static_cast<std::size_t>(k->first_argument + a)]; }

  static long offset(address const& a, long number) {
    long o = 0;
    for (int i = a.rank - 1; i >= 0; --i) {
      o += (i > 0 ? number % a.extent[i] : number) * a.stride[i];
      if (i > 0) number /= a.extent[i];
    }
    return o;
  }
  void within(int a, long element) const {
    long size = static_cast<long>(size_of(argument(a).type));
    unsigned char* where = base[static_cast<std::size_t>(a)] + element * size;
    if (element < 0 || where + size > limit[static_cast<std::size_t>(a)])
      throw std::runtime_error("kernel " + std::to_string(k - p.kernels.data()) + " leaves the memory of argument " + std::to_string(a));
  }
  double read(int a, long element) const {
    within(a, element);
    return get_element(base[static_cast<std::size_t>(a)], element, argument(a).type);
  }
  void write(int a, long element, double v) const {
    within(a, element);
    put_element(base[static_cast<std::size_t>(a)], element, argument(a).type, v);
  }

  static double converted(double x, dtype t) { return t == dtype::i32 ? std::trunc(x) : t == dtype::boolean ? x != 0 : x; }
  double generated(instruction const& i, long where) const {
    if (i.what == opcode::index) return static_cast<double>(where / i.inner % i.extent);
    return random_counter({seed, step, static_cast<std::uint32_t>(i.inner), static_cast<std::uint32_t>(iteration), static_cast<std::uint64_t>(where)});
  }
};

}  // namespace formwork::testing
