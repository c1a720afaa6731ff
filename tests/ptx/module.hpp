// PTX as nvcc writes it, read into instructions that a machine can run (PTX ISA 9.0, chapters 4 to 9).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace formwork::ptx {

inline constexpr int lanes = 32;
using lane_mask = std::uint32_t;
inline constexpr lane_mask all_lanes = 0xffffffffu;

// A register of a warp: of each lane the bits, in the low end, of whatever type the instruction says.
using slot = std::array<std::uint64_t, lanes>;

// A register (>= 0), or a constant (< 0: constants[-1 - index]), or up to eight of them in braces; [base + offset] for
// an address, base -1 for none.
struct operand {
  std::vector<int> slots;
  long offset = 0;
  bool address = false, braces = false;
  std::string symbol;  // until the module's variables have places
};

struct warp;
struct instruction;
using action = void (*)(warp&, instruction const&, lane_mask);

// What the warp's scheduler has to do with an instruction.
enum class flow : unsigned char { on, branch, end, barrier, together };

struct instruction {
  action run = nullptr;
  flow what = flow::on;
  int guard = -1;
  bool guard_negated = false;
  int target = -1;
  int line = 0;
  int bytes = 0;        // of each element of an access to memory
  bool sign = false;    // what is loaded is sign-extended
  int detail = 0;       // of the action's own
  std::vector<operand> operands;
  std::string text;     // mnemonic, for messages
};

struct parameter { std::string name; long offset, bytes; };

struct kernel {
  std::string name;
  std::vector<parameter> parameters;
  long parameter_bytes = 0;
  int most_threads = 1024;
  int registers = 0;
  std::vector<slot> constants;
  std::vector<instruction> code;
  long static_shared = 0;  // bytes; what is allocated at the launch begins behind them
};

struct module {
  std::vector<kernel> kernels;
};

// Throws std::runtime_error that names the line and what is not understood.
module read_module(std::string_view text);

// What an instruction does, by its mnemonic and operands; throws std::runtime_error for one that is not known.
void decode(instruction& i, std::string const& mnemonic);
// The parts of decode, each for its instructions: false, where it is none of them. `parts` are those between the points.
using mnemonic_parts = std::vector<std::string>;
bool decode_arithmetic(instruction& i, mnemonic_parts const& parts);
bool decode_conversion(instruction& i, mnemonic_parts const& parts);
bool decode_memory(instruction& i, mnemonic_parts const& parts);
bool decode_together(instruction& i, mnemonic_parts const& parts);

// The registers that hold what a thread may ask for.
inline constexpr std::array<const char*, 10> special_registers = {"%tid.x",    "%tid.y",    "%tid.z",   "%ctaid.x",  "%ctaid.y",
                                                                  "%ctaid.z", "%ntid.x", "%nctaid.x", "%laneid", "WARP_SZ"};

}  // namespace formwork::ptx
