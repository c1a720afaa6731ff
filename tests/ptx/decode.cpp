// From mnemonics to actions: control flow here, the rest by kind.
#include <stdexcept>

#include "machine.hpp"

namespace formwork::ptx {

void decode(instruction& i, std::string const& mnemonic) {
  mnemonic_parts parts;
  for (std::size_t at = 0; at <= mnemonic.size();) {
    const std::size_t end = std::min(mnemonic.find('.', at), mnemonic.size());
    parts.push_back(mnemonic.substr(at, end - at));
    at = end + 1;
  }
  std::string const& name = parts[0];
  if (name == "bra") {
    i.what = flow::branch;
    if (i.target < 0) throw std::runtime_error("a branch to nowhere");
  } else if (name == "ret" || name == "exit") {
    i.what = flow::end;
  } else if (name == "bar" || name == "barrier") {
    const bool of_warp = parts.size() > 1 && parts[1] == "warp";
    if (of_warp) {
      i.what = flow::together;
      i.run = [](warp&, instruction const&, lane_mask) {};
    } else {
      // Barrier 0 with all threads is the only one.
      if (i.operands.size() != 1 || parts.at(1) != "sync") throw std::runtime_error(mnemonic + " is not known");
      i.what = flow::barrier;
    }
  } else if (name == "membar" || name == "fence" || name == "prefetch" || name == "prefetchu") {
    i.run = [](warp&, instruction const&, lane_mask) {};
  } else if (!decode_arithmetic(i, parts) && !decode_conversion(i, parts) && !decode_memory(i, parts) && !decode_together(i, parts)) {
    throw std::runtime_error(mnemonic + " is not known");
  }
}

}  // namespace formwork::ptx
