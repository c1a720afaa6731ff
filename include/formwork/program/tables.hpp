// The tables beside a program's nodes: parameters, inputs, outputs, scopes.
#pragma once

#include "../core/fixed_string.hpp"
#include "node.hpp"

namespace formwork {

// How a parameter starts: normal with mean 0 and standard deviation `scale`, or constant.
enum class initial : std::uint8_t { normal, zeros, ones };

struct parameter_info {
  name_text name;       // a `*` stands for the iteration of the loop that holds it: "blocks.*.up.weight"
  dims shape{};         // of one iteration
  dtype type = dtype::f32;
  initial start = initial::normal;
  double scale = 0;
  bool decays = false;  // takes part in weight decay
  long copies = 1;      // iterations of the loop that holds it
  int node = -1;

  constexpr long elements() const { return copies * shape.elements(); }
};

struct input_info {
  name_text name;
  dims shape{};
  dtype type = dtype::f32;
  int node = -1;
};

// What a program gives back: a named value, the gradient of a parameter, or of an input.
enum class role : std::uint8_t { value, parameter_gradient, input_gradient };

struct output_info {
  name_text name;
  role what = role::value;
  int number = 0;  // of the parameter or input
  int node = -1;
};

// A loop runs its nodes `count` times; a score body is evaluated at every (batch, head, query, key).
enum class scope_kind : std::uint8_t { top, loop, score };

struct scope_info {
  scope_kind what = scope_kind::top;
  int parent = 0;
  long count = 1;
  bool reversed = false;  // iterations count down
};

}  // namespace formwork
