// Loads, stores and asynchronous copies (PTX ISA 9.0, 9.7.9).
#include <string>

#include "machine.hpp"

namespace formwork::ptx {

namespace {

enum class space { parameter, global, shared };

std::uint64_t address_of(warp& w, operand const& o, int lane) {
  return (o.slots.empty() ? 0 : w.source(o.slots[0])[static_cast<std::size_t>(lane)]) + static_cast<std::uint64_t>(o.offset);
}
std::byte* place(warp& w, instruction const& i, operand const& o, int lane, int bytes) {
  const std::uint64_t address = address_of(w, o, lane);
  return static_cast<space>(i.detail) == space::global ? global_memory(w, i, lane, address, bytes) : shared_memory(w, i, lane, address, bytes);
}

void load(warp& w, instruction const& i, lane_mask m) {
  std::vector<int> const& to = i.operands[0].slots;
  const auto count = static_cast<int>(to.size());
  for_each_lane(m, [&](int lane) {
    const std::byte* p = place(w, i, i.operands[1], lane, i.bytes * count);
    for (int k = 0; k < count; ++k) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, p + k * i.bytes, static_cast<std::size_t>(i.bytes));
      if (i.sign) {
        const int unused = 64 - 8 * i.bytes;
        bits = static_cast<std::uint64_t>(static_cast<std::int64_t>(bits << unused) >> unused);
      }
      w.destination(to[static_cast<std::size_t>(k)])[static_cast<std::size_t>(lane)] = bits;
    }
  });
}
void load_parameter(warp& w, instruction const& i, lane_mask m) {
  std::vector<int> const& to = i.operands[0].slots;
  std::vector<std::byte> const& from = w.of->l.arguments;
  for_each_lane(m, [&](int lane) {
    const std::uint64_t address = address_of(w, i.operands[1], lane);
    const std::uint64_t bytes = static_cast<std::uint64_t>(i.bytes) * to.size();
    if (address % bytes != 0 || address + bytes > from.size()) fault(w, i, lane, "the kernel's arguments have " + std::to_string(from.size()) + " bytes, not " + std::to_string(bytes) + " from " + std::to_string(address) + " on");
    for (std::size_t k = 0; k < to.size(); ++k) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, from.data() + address + k * static_cast<std::size_t>(i.bytes), static_cast<std::size_t>(i.bytes));
      if (i.sign) {
        const int unused = 64 - 8 * i.bytes;
        bits = static_cast<std::uint64_t>(static_cast<std::int64_t>(bits << unused) >> unused);
      }
      w.destination(to[k])[static_cast<std::size_t>(lane)] = bits;
    }
  });
}
void store(warp& w, instruction const& i, lane_mask m) {
  std::vector<int> const& from = i.operands[1].slots;
  const auto count = static_cast<int>(from.size());
  for_each_lane(m, [&](int lane) {
    std::byte* p = place(w, i, i.operands[0], lane, i.bytes * count);
    for (int k = 0; k < count; ++k) std::memcpy(p + k * i.bytes, &w.source(from[static_cast<std::size_t>(k)])[static_cast<std::size_t>(lane)], static_cast<std::size_t>(i.bytes));
  });
}

// cp.async [shared], [global], bytes{, there}
void copy_async(warp& w, instruction const& i, lane_mask m) {
  for_each_lane(m, [&](int lane) {
    const auto at = static_cast<std::size_t>(lane);
    const auto bytes = static_cast<int>(w.source(i.operands[2].slots[0])[at]);
    const int there = i.operands.size() > 3 ? static_cast<int>(static_cast<std::uint32_t>(w.source(i.operands[3].slots[0])[at])) : bytes;
    if (bytes != 16 && (i.detail == 1 || (bytes != 4 && bytes != 8))) fault(w, i, lane, "it cannot copy " + std::to_string(bytes) + " bytes");
    if (there < 0 || there > bytes) fault(w, i, lane, "more is there than is copied");
    async_copy c{.bytes = bytes, .there = there, .group = w.groups[at]};
    c.to = shared_memory(w, i, lane, address_of(w, i.operands[0], lane), bytes) - w.of->shared.data();
    const std::uint64_t from = address_of(w, i.operands[1], lane);
    if (from % static_cast<unsigned>(bytes) != 0) fault(w, i, lane, "address " + std::to_string(from) + " is not a multiple of " + std::to_string(bytes));
    if (there > 0) {
      // What is not read need not be there.
      const int unit = there & -there;
      for (int k = 0; k < there; k += unit) global_memory(w, i, lane, from + static_cast<unsigned>(k), unit);
    }
    c.from = from;
    if (w.of->random.below(4) == 0) land(w, c);
    else w.copies[at].push_back(c);
  });
}
void commit(warp& w, instruction const&, lane_mask m) {
  for_each_lane(m, [&](int lane) { ++w.groups[static_cast<std::size_t>(lane)]; });
}
// All but the latest groups have landed, and of these what chance would have.
void wait(warp& w, instruction const& i, lane_mask m) {
  for_each_lane(m, [&](int lane) {
    const auto at = static_cast<std::size_t>(lane);
    const int pending = i.operands.empty() ? -1 : static_cast<int>(w.source(i.operands[0].slots[0])[at]);
    std::erase_if(w.copies[at], [&](async_copy const& c) {
      const bool due = c.group < w.groups[at] - pending;
      if (!due && w.of->random.below(4) != 0) return false;
      land(w, c);
      return true;
    });
  });
}

}  // namespace

bool decode_memory(instruction& i, mnemonic_parts const& parts) {
  if (parts[0] == "cp") {
    if (parts.size() < 3 || parts[1] != "async") return false;
    if (parts[2] == "commit_group") i.run = commit;
    else if (parts[2] == "wait_group" || parts[2] == "wait_all") i.run = wait;
    else if ((parts[2] == "cg" || parts[2] == "ca") && parts.size() == 5 && parts[3] == "shared" && parts[4] == "global" && i.operands.size() >= 3) {
      i.run = copy_async;
      i.detail = parts[2] == "cg";
    } else return false;
    return true;
  }
  if (parts[0] != "ld" && parts[0] != "st") return false;
  const bool loads = parts[0] == "ld";
  if (parts.size() < 3 || i.operands.size() != 2 || !i.operands[loads ? 1 : 0].address) return false;
  // Caching is nothing to this machine; and a generic address is a global one, since shared ones are never made generic.
  space where = space::global;
  std::size_t wide = 1;
  for (std::size_t k = 1; k + 1 < parts.size(); ++k) {
    std::string const& p = parts[k];
    if (p == "param") where = space::parameter;
    else if (p == "shared") where = space::shared;
    else if (p == "v2") wide = 2;
    else if (p == "v4") wide = 4;
    else if (p != "global" && p != "nc" && p != "volatile" && p != "relaxed" && p != "weak" && p != "ca" && p != "cg" && p != "cs" && p != "lu" && p.rfind("L1", 0) != 0 && p.rfind("L2", 0) != 0) return false;
  }
  if (i.operands[loads ? 0 : 1].slots.size() != wide) return false;
  std::string const& type = parts.back();
  if (type.size() < 2) return false;
  i.bytes = std::stoi(type.substr(1)) / 8;
  i.sign = loads && type[0] == 's';
  i.detail = static_cast<int>(where);
  i.run = !loads ? store : where == space::parameter ? load_parameter : load;
  return loads || where != space::parameter;
}

}  // namespace formwork::ptx
