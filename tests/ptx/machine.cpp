#include "machine.hpp"

#include <algorithm>
#include <bit>

namespace formwork::ptx {

void fault(warp const& w, instruction const& i, int lane, std::string const& what) {
  throw std::runtime_error("kernel " + w.of->l.what->name.substr(0, 120) + ", PTX line " + std::to_string(i.line) + " (" + i.text + "), thread " +
                           std::to_string(w.number * lanes + lane) + ": " + what);
}

std::byte* global_memory(warp& w, instruction const& i, int lane, std::uint64_t address, int bytes) {
  if (address % static_cast<unsigned>(bytes) != 0) fault(w, i, lane, "address " + std::to_string(address) + " is not a multiple of " + std::to_string(bytes));
  auto at = w.of->memory.upper_bound(address);
  if (at == w.of->memory.begin() || (--at, address + static_cast<unsigned>(bytes) > at->first + at->second))
    fault(w, i, lane, "address " + std::to_string(address) + " is in no allocation" +
                          (at == w.of->memory.end() ? "" : ", but " + std::to_string(static_cast<long long>(address - at->first)) + " bytes from the start of one of " + std::to_string(at->second)));
  return reinterpret_cast<std::byte*>(address);
}

std::byte* shared_memory(warp& w, instruction const& i, int lane, std::uint64_t address, int bytes) {
  address &= 0xffffffffu;
  if (address % static_cast<unsigned>(bytes) != 0) fault(w, i, lane, "shared address " + std::to_string(address) + " is not a multiple of " + std::to_string(bytes));
  if (address + static_cast<unsigned>(bytes) > w.of->shared.size())
    fault(w, i, lane, "shared address " + std::to_string(address) + " is beyond the block's " + std::to_string(w.of->shared.size()) + " bytes");
  return w.of->shared.data() + address;
}

void land(warp& w, async_copy const& c) {
  std::byte* to = w.of->shared.data() + c.to;
  if (c.there > 0) std::memcpy(to, reinterpret_cast<const void*>(c.from), static_cast<std::size_t>(c.there));
  std::memset(to + c.there, 0, static_cast<std::size_t>(c.bytes - c.there));
}

namespace {

// Bits that are a NaN as f32 and as 16-bit numbers, and an unlikely integer: shared memory before anything is written.
constexpr std::byte untouched{0xff};

void begin(warp& w, block& b, int number) {
  launch const& l = b.l;
  w.of = &b;
  w.number = number;
  w.registers.assign(static_cast<std::size_t>(l.what->registers), slot{});
  const int threads = std::min<int>(lanes, static_cast<int>(l.threads) - number * lanes);
  w.running = threads == lanes ? all_lanes : (1u << threads) - 1;
}

// The order of special_registers.
void set_special(warp& w, unsigned block_number) {
  launch const& l = w.of->l;
  for (int lane = 0; lane < lanes; ++lane) {
    const auto at = static_cast<std::size_t>(lane);
    const std::uint64_t values[] = {static_cast<std::uint64_t>(w.number * lanes + lane), 0, 0, block_number, 0, 0, l.threads, l.blocks, static_cast<std::uint64_t>(lane), lanes};
    static_assert(std::size(values) == special_registers.size());
    for (std::size_t r = 0; r < special_registers.size(); ++r) w.registers[r][at] = values[r];
  }
}

// Runs at most so many instructions of a warp, until all its lanes are through or wait for others.
void advance(warp& w, int instructions) {
  std::vector<instruction> const& code = w.of->l.what->code;
  while (instructions > 0) {
    // Of the lanes that can go on, those that are farthest behind: where paths meet again, the others are waited for.
    lane_mask ready = w.running & ~w.parked & ~w.at_barrier;
    if (ready == 0) {
      if (w.parked == 0) return;
      const int lane = std::countr_zero(w.parked);
      fault(w, code[static_cast<std::size_t>(w.pc[static_cast<std::size_t>(lane)])], lane, "the other lanes of the warp do not come here");
    }
    int pc = static_cast<int>(code.size()), next = pc;
    for (int lane = 0; lane < lanes; ++lane)
      if (ready >> lane & 1) pc = std::min(pc, w.pc[static_cast<std::size_t>(lane)]);
    lane_mask mask = 0;
    for (int lane = 0; lane < lanes; ++lane)
      if (ready >> lane & 1) {
        const int at = w.pc[static_cast<std::size_t>(lane)];
        if (at == pc) mask |= 1u << lane;
        else next = std::min(next, at);
      }
    const auto leave = [&](int where, lane_mask who) {
      for (int lane = 0; lane < lanes; ++lane)
        if (who >> lane & 1) w.pc[static_cast<std::size_t>(lane)] = where;
    };
    // These go on together until they part, wait, or reach others.
    for (bool together = true; together;) {
      if (pc >= static_cast<int>(code.size())) throw std::runtime_error("kernel " + w.of->l.what->name.substr(0, 120) + " runs beyond its end");
      instruction const& i = code[static_cast<std::size_t>(pc)];
      --instructions;
      lane_mask on = mask;
      if (i.guard >= 0) {
        slot const& p = w.registers[static_cast<std::size_t>(i.guard)];
        lane_mask yes = 0;
        for (int lane = 0; lane < lanes; ++lane) yes |= static_cast<lane_mask>(p[static_cast<std::size_t>(lane)] & 1) << lane;
        on &= i.guard_negated ? ~yes : yes;
      }
      switch (i.what) {
        case flow::on:
          if (on) i.run(w, i, on);
          ++pc;
          break;
        case flow::branch:
          if (on == mask) {
            pc = i.target;
          } else if (on == 0) {
            ++pc;
          } else {
            leave(i.target, on);
            leave(pc + 1, mask & ~on);
            together = false;
          }
          break;
        case flow::end:
          w.running &= ~on;
          if (mask & ~on) leave(pc + 1, mask & ~on);
          together = false;
          break;
        case flow::barrier:
          if (on != mask) fault(w, i, std::countr_zero(mask), "some lanes of the warp pass by a barrier");
          leave(pc, mask);
          w.at_barrier |= mask;
          together = false;
          break;
        case flow::together: {
          if (on != mask) fault(w, i, std::countr_zero(mask), "some lanes pass by what the warp does together");
          for (int lane = 0; lane < lanes; ++lane)
            if ((w.parked >> lane & 1) && w.pc[static_cast<std::size_t>(lane)] == pc) mask |= 1u << lane;
          if (mask == all_lanes) {
            w.parked &= ~mask;
            i.run(w, i, mask);
            ++pc;
          } else {
            leave(pc, mask);
            w.parked |= mask;
            together = false;
          }
          break;
        }
      }
      if (together && (pc >= next || instructions <= 0)) {
        leave(pc, mask);
        together = false;
      }
    }
  }
}

}  // namespace

void run(launch const& l, allocations const& memory, std::uint64_t seed) {
  block b{l, memory, {seed}, std::vector<std::byte>(static_cast<std::size_t>(l.what->static_shared) + l.shared_bytes)};
  // Blocks in a random order, too: from a random one on in steps that reach all.
  unsigned number = b.random.below(l.blocks);
  const unsigned step = l.blocks > 2 && b.random.below(2) ? l.blocks - 1 : 1;
  std::vector<warp> warps((l.threads + lanes - 1) / lanes);
  for (unsigned n = 0; n < l.blocks; ++n, number = (number + step) % l.blocks) {
    std::fill(b.shared.begin(), b.shared.end(), untouched);
    for (std::size_t k = 0; k < warps.size(); ++k) {
      warps[k] = warp{};
      begin(warps[k], b, static_cast<int>(k));
      set_special(warps[k], number);
    }
    for (;;) {
      lane_mask left = 0;
      bool waiting = true;
      std::vector<warp*> ready;
      for (warp& w : warps) {
        left |= w.running;
        waiting = waiting && w.running == (w.running & w.at_barrier);
        if (w.running & ~w.at_barrier) ready.push_back(&w);
      }
      if (left == 0) break;
      if (waiting) {
        for (warp& w : warps) {
          for (int lane = 0; lane < lanes; ++lane)
            if (w.at_barrier >> lane & 1) ++w.pc[static_cast<std::size_t>(lane)];
          w.at_barrier = 0;
        }
        continue;
      }
      advance(*ready[b.random.below(static_cast<unsigned>(ready.size()))], 1 + static_cast<int>(b.random.below(300)));
    }
  }
}

}  // namespace formwork::ptx
