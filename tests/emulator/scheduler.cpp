#include "scheduler.hpp"

#include <sys/mman.h>

#include <cstring>
#include <vector>

#if defined(__x86_64__)
#define FORMWORK_EMULATOR_FAST_SWITCH 1
#else
#include <ucontext.h>
#endif

extern "C" {
[[gnu::weak]] void* __tsan_create_fiber(unsigned);
[[gnu::weak]] void __tsan_switch_to_fiber(void*, unsigned);
[[gnu::weak]] void* __tsan_get_current_fiber();
[[gnu::weak]] void __tsan_acquire(void*);
[[gnu::weak]] void __tsan_release(void*);
[[gnu::weak]] void __asan_unpoison_memory_region(void const volatile*, std::size_t);
}

#if FORMWORK_EMULATOR_FAST_SWITCH
// Saves the callee-saved registers and the stack pointer, and takes the other's (System V ABI, x86-64).
extern "C" void formwork_switch(void** from, void* to);
asm(R"(
.text
.globl formwork_switch
.type formwork_switch,@function
formwork_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size formwork_switch,.-formwork_switch
)");
#endif

namespace formwork::emulator {

namespace {
constexpr int warp = 32;
constexpr std::size_t stack_bytes = 256 * 1024, most_bytes = 64;
enum class state { ready, at_barrier, at_warp, done };
}  // namespace

struct block_run;

struct fibre {
  block_run* block = nullptr;
  int thread = 0;
  state where = state::ready;
  const char* what = nullptr;
  const void *in = nullptr, *extra = nullptr;
  void* out = nullptr;
  std::size_t in_bytes = 0, out_bytes = 0;
  warp_compute compute = nullptr;
  bool orders_memory = false;
  char* stack = nullptr;
  void* tsan = nullptr;
  unsigned warp_phase = 0;
  std::uint64_t random = 0;
#if FORMWORK_EMULATOR_FAST_SWITCH
  void* pointer = nullptr;
#else
  ucontext_t context;
#endif
};

namespace {

std::uint64_t mix(std::uint64_t x) {  // SplitMix64 (Steele, Lea, Flood 2014)
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// As memcpy, which ThreadSanitizer would take for an access of the running lane.
void copy_unseen(void* to, const void* from, std::size_t bytes) {
  if (bytes % 4 == 0) {
    for (std::size_t i = 0; i < bytes / 4; ++i) static_cast<volatile std::uint32_t*>(to)[i] = static_cast<const volatile std::uint32_t*>(from)[i];
  } else {
    for (std::size_t i = 0; i < bytes; ++i) static_cast<volatile unsigned char*>(to)[i] = static_cast<const volatile unsigned char*>(from)[i];
  }
}

struct stacks {
  std::vector<char*> free;
  char* take() {
    if (free.empty()) {
      void* p = mmap(nullptr, stack_bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (p == MAP_FAILED) throw report("emulator: no memory for a lane's stack");
      mprotect(p, 4096, PROT_NONE);  // an overflow ends the program rather than another lane
      return static_cast<char*>(p) + 4096;
    }
    char* s = free.back();
    free.pop_back();
    if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(s, stack_bytes);  // a lane that was left in its midst leaves red zones
    return s;
  }
};
thread_local stacks pool;
thread_local std::vector<void*> tsan_fibres;  // making one takes up to a millisecond

}  // namespace

struct block_run {
  launch_size size;
  settings how;
  const char* name;
  long number;
  body_t body;
  void* argument;
  std::byte* shared;
  std::vector<fibre> fibres;
  std::string failure;
  fibre* current = nullptr;
  unsigned phase = 0;
  char block_tag[2] = {}, start_tag = 0, done_tag = 0;
  std::vector<char> warp_tags;
  void* home_tsan = nullptr;
#if FORMWORK_EMULATOR_FAST_SWITCH
  void* home = nullptr;
#else
  ucontext_t home;
#endif

  [[noreturn]] void fail(std::string const& what) const {
    throw report(std::string("kernel ") + name + ", block " + std::to_string(number) + ": " + what);
  }

  void leave(fibre& f) {  // to the scheduler
    if (how.sanitize) __tsan_switch_to_fiber(home_tsan, 1);
#if FORMWORK_EMULATOR_FAST_SWITCH
    formwork_switch(&f.pointer, home);
#else
    swapcontext(&f.context, &home);
#endif
  }
  void enter(fibre& f) {
    current = &f;
    if (how.sanitize) __tsan_switch_to_fiber(f.tsan, 1);
#if FORMWORK_EMULATOR_FAST_SWITCH
    formwork_switch(&home, f.pointer);
#else
    swapcontext(&home, &f.context);
#endif
  }

  static thread_local block_run* running;
  static void entry() {
    block_run& b = *running;
    fibre& f = *b.current;
    if (b.how.sanitize) __tsan_acquire(&b.start_tag);
    b.body(b.argument, f);
    if (b.how.sanitize) __tsan_release(&b.done_tag);
    f.where = state::done;
    b.leave(f);
    __builtin_unreachable();
  }

  void prepare() {
    fibres.resize(static_cast<std::size_t>(size.threads));
    warp_tags.assign(static_cast<std::size_t>(2 * ((size.threads + warp - 1) / warp)), 0);
    if (how.sanitize) home_tsan = __tsan_get_current_fiber();
    for (int i = 0; i < size.threads; ++i) {
      fibre& f = fibres[static_cast<std::size_t>(i)];
      f.block = this;
      f.thread = i;
      f.random = mix(how.seed ^ mix(static_cast<std::uint64_t>(number) << 20 | static_cast<std::uint64_t>(i)));
      f.stack = pool.take();
      if (how.sanitize) {
        if (tsan_fibres.empty()) tsan_fibres.push_back(__tsan_create_fiber(0));
        f.tsan = tsan_fibres.back();
        tsan_fibres.pop_back();
      }
#if FORMWORK_EMULATOR_FAST_SWITCH
      auto* top = reinterpret_cast<void**>(f.stack + stack_bytes);
      *--top = nullptr;                               // as after a call: 8 below a multiple of 16
      *--top = reinterpret_cast<void*>(&entry);       // where the first switch returns to
      for (int r = 0; r < 6; ++r) *--top = nullptr;
      f.pointer = top;
#else
      getcontext(&f.context);
      f.context.uc_stack.ss_sp = f.stack;
      f.context.uc_stack.ss_size = stack_bytes;
      f.context.uc_link = &home;
      makecontext(&f.context, &entry, 0);
#endif
    }
  }
  void release() {
    for (fibre& f : fibres) {
      if (how.sanitize) tsan_fibres.push_back(f.tsan);
      pool.free.push_back(f.stack);
    }
    fibres.clear();
  }

  std::string list(int begin, int end, state wanted) const {
    std::string s;
    int shown = 0;
    for (int i = begin; i < end; ++i)
      if (fibres[static_cast<std::size_t>(i)].where == wanted && shown++ < 4) s += (s.empty() ? "" : ", ") + std::to_string(i);
    if (shown > 4) s += ", ... (" + std::to_string(shown) + ")";
    return s;
  }

  // Completes the meeting of a warp if all of it is there.
  bool finish_warp(int begin) {
    const int end = begin + warp;
    int here = 0, gone = 0;
    for (int i = begin; i < end; ++i) {
      here += fibres[static_cast<std::size_t>(i)].where == state::at_warp;
      gone += fibres[static_cast<std::size_t>(i)].where == state::done;
    }
    if (here == 0) return false;
    fibre* first = nullptr;
    for (int i = begin; i < end && !first; ++i)
      if (fibres[static_cast<std::size_t>(i)].where == state::at_warp) first = &fibres[static_cast<std::size_t>(i)];
    if (gone > 0) fail(std::string("lanes ") + list(begin, end, state::at_warp) + " wait for their warp at " + first->what + ", but lanes " + list(begin, end, state::done) + " have left");
    if (here < warp) return false;
    alignas(16) std::byte in[warp * most_bytes], out[warp * most_bytes];
    for (int i = 0; i < warp; ++i) {
      fibre& f = fibres[static_cast<std::size_t>(begin + i)];
      if (std::strcmp(f.what, first->what) != 0) fail("lane " + std::to_string(f.thread) + " is at " + f.what + " while lane " + std::to_string(first->thread) + " of its warp is at " + first->what);
      if (f.in_bytes > 0) copy_unseen(in + static_cast<std::size_t>(i) * f.in_bytes, f.in, f.in_bytes);
    }
    if (first->compute) first->compute(in, out, first->extra);
    for (int i = 0; i < warp; ++i) {
      fibre& f = fibres[static_cast<std::size_t>(begin + i)];
      if (f.out_bytes > 0) copy_unseen(f.out, out + static_cast<std::size_t>(i) * f.out_bytes, f.out_bytes);
      f.where = state::ready;
    }
    return true;
  }

  void run() {
    running = this;
    prepare();
    if (how.sanitize) __tsan_release(&start_tag);
    std::vector<int> order(fibres.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
    std::uint64_t random = mix(how.seed * 1315423911u + static_cast<std::uint64_t>(number));
    // Warps held back until the others can go no further, drawn at every barrier: warps need not keep step.
    std::uint32_t held = 0;
    auto hold = [&] {
      random = mix(random);
      held = static_cast<std::uint32_t>(random >> 16);
    };
    hold();
    for (;;) {
      // Warps in random order, and the lanes of each: what is ready runs until it waits.
      for (std::size_t i = order.size(); i > 1; --i) {
        random = mix(random);
        std::swap(order[i - 1], order[random % i]);
      }
      bool moved = false;
      for (int i : order) {
        fibre& f = fibres[static_cast<std::size_t>(i)];
        if (f.where != state::ready || (held >> (i / warp) & 1u) != 0) continue;
        enter(f);
        if (!failure.empty()) fail(failure);
        moved = true;
      }
      bool met = false;
      int waiting = 0, done = 0;
      for (int w = 0; w < size.threads; w += warp) met = finish_warp(w) || met;
      for (fibre const& f : fibres) {
        waiting += f.where == state::at_barrier;
        done += f.where == state::done;
      }
      if (done == size.threads) break;
      if (waiting + done == size.threads) {
        if (done > 0) fail("threads " + list(0, size.threads, state::at_barrier) + " wait at a barrier, but threads " + list(0, size.threads, state::done) + " have left");
        for (fibre& f : fibres) f.where = state::ready;
        ++phase;
        hold();
        continue;
      }
      if (!moved && !met && held != 0) held = 0;
      else if (!moved && !met)
        fail("deadlock: threads " + list(0, size.threads, state::at_barrier) + " wait at a barrier while threads " + list(0, size.threads, state::at_warp) + " wait for their warps");
    }
    if (how.sanitize) __tsan_acquire(&done_tag);
  }
};
thread_local block_run* block_run::running = nullptr;

void run(launch_size const& size, settings const& how, const char* name, body_t body, void* argument) {
  if (size.threads % warp != 0 || size.threads < warp || size.threads > 1024)
    throw report(std::string("kernel ") + name + ": " + std::to_string(size.threads) + " threads per block: it must be a multiple of 32, at most 1024");
  if (size.shared_bytes > 227 * 1024) throw report(std::string("kernel ") + name + ": more shared memory than a block can have");
  if (how.sanitize && !__tsan_create_fiber) throw report("emulator: sanitize needs a program built with -fsanitize=thread");
  constexpr std::size_t guard = 1024;
  std::vector<std::byte> memory(size.shared_bytes + 2 * guard + 128);
  auto* base = reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(memory.data()) + guard + 127) / 128 * 128);
  std::uint64_t order = mix(how.seed);
  const long first = static_cast<long>(order % static_cast<std::uint64_t>(size.blocks)), step = order >> 63 ? 1 : size.blocks - 1;  // up or down
  for (long b = 0; b < size.blocks; ++b) {
    std::memset(memory.data(), 0xff, memory.size());  // NaN in every floating type
    block_run r{.size = size, .how = how, .name = name, .number = (first + b * step) % size.blocks, .body = body, .argument = argument, .shared = base};
    try {
      r.run();
    } catch (...) {
      r.release();
      throw;
    }
    r.release();
    for (const std::byte* p = memory.data(); p < base; ++p)
      if (*p != std::byte{0xff}) r.fail("it wrote before its shared memory");
    for (const std::byte* p = base + size.shared_bytes; p < memory.data() + memory.size(); ++p)
      if (*p != std::byte{0xff}) r.fail("it wrote beyond its shared memory");
  }
}

int thread_of(fibre const& f) { return f.thread; }
long block_of(fibre const& f) { return f.block->number; }
std::byte* shared_of(fibre const& f) { return f.block->shared; }
settings const& settings_of(fibre const& f) { return f.block->how; }

void barrier(fibre& f) {
  block_run& b = *f.block;
  const unsigned p = b.phase & 1u;  // alternating tags, or an acquire would take what is released at the next barrier
  if (b.how.sanitize) __tsan_release(&b.block_tag[p]);
  f.where = state::at_barrier;
  b.leave(f);
  if (b.how.sanitize) __tsan_acquire(&b.block_tag[p]);
}

void warp_meet(fibre& f, const char* what, const void* in, std::size_t in_bytes, void* out, std::size_t out_bytes, warp_compute compute,
               const void* extra, bool orders_memory) {
  block_run& b = *f.block;
  char* tag = &b.warp_tags[static_cast<std::size_t>(2 * (f.thread / warp)) + (f.warp_phase & 1u)];
  if (b.how.sanitize && orders_memory) __tsan_release(tag);
  f.what = what;
  f.in = in;
  f.in_bytes = in_bytes;
  f.out = out;
  f.out_bytes = out_bytes;
  f.compute = compute;
  f.extra = extra;
  f.where = state::at_warp;
  b.leave(f);
  if (orders_memory) {
    if (b.how.sanitize) __tsan_acquire(tag);
    ++f.warp_phase;
  }
}

void complain(fibre& f, std::string const& what) {
  f.block->failure = "thread " + std::to_string(f.thread) + ": " + what;
  f.block->leave(f);
  __builtin_unreachable();
}

bool coin(fibre& f, unsigned one_in) {
  f.random = mix(f.random);
  return f.random % one_in == 0;
}

}  // namespace formwork::emulator
