// Where every stored value lies: in which memory, at which offset, how far apart its iterations are.
#pragma once

#include <vector>

#include "order.hpp"

namespace formwork {

// The memories a step works on. Parameters and gradients are one flat arena each, in the same order; inputs and
// outputs are the caller's; the workspace holds everything else.
enum class region : std::uint8_t { workspace, parameters, gradients, input, output };

// How a value of a loop moves from iteration to iteration.
enum class motion : std::uint8_t { fixed, stacked, alternating };

struct place {
  region where = region::workspace;
  int number = 0;      // of the input or output
  long offset = 0;     // bytes
  motion moves = motion::fixed;
  long step = 0;       // bytes between iterations (or between the two slots)
  int shift = 0;       // slots further on
  long first = 0;      // elements before the first one: a part of a concatenation
  dims stride{};       // elements per step along each axis of the node
  int buffer = -1;     // workspace buffer
};

// A piece of the workspace and when it is in use (positions in the order of the groups).
struct buffer {
  long bytes = 0;
  int begin = 0, end = 0;
  long offset = -1;
  int node = -1;       // whose value it holds first
};

struct parameter_place {
  long offset = 0;  // elements, in the parameter and gradient arenas
};

struct memory_plan {
  std::vector<place> at;           // per node
  std::vector<buffer> buffers;
  std::vector<parameter_place> parameters;
  long parameter_elements = 0;     // of each arena, padded
  long decayed_elements = 0;       // the arena's first part: parameters that take part in weight decay
  long workspace_bytes = 0;
};

// Arenas are padded so that they can be reduced in rows of this many elements.
inline constexpr long arena_row = 4096;

constexpr long round_up(long x, long to) { return (x + to - 1) / to * to; }

}  // namespace formwork
