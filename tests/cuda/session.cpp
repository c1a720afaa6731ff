// The memory and the recordings of a run on a pretended GPU, whichever call fails.
#include <cstring>
#include <map>
#include <string>

#include "emulator/stand_in.hpp"
#include "support/catch.hpp"

using namespace formwork;
using emulator::stand_in;

namespace {

using session = gpu::session<stand_in>;
constexpr std::size_t memory_bytes = 256, exchange_bytes = 64;

// Doubles the exchange's first number, and adds it to the memory's.
void launch(session& s) {
  stand_in::attempt("a launch");
  static_cast<stand_in*>(s.queue())->enqueue([m = reinterpret_cast<int*>(s.memory()), e = reinterpret_cast<int*>(s.exchange())] {
    *e *= 2;
    *m += *e;
  });
}
int doubled(session& s, int recording, int x) {
  std::memcpy(s.host_exchange(), &x, sizeof(x));
  s.run(recording, [&] { launch(s); });
  std::memcpy(&x, s.host_exchange(), sizeof(x));
  return x;
}
int first_number(session& s) {
  int x;
  std::memcpy(&x, s.view(0, sizeof(x)), sizeof(x));
  return x;
}
// Everything that a session does; whether all of it was right.
bool use(session& s) {
  bool right = doubled(s, 0, 3) == 6 && doubled(s, 1, 4) == 8 && doubled(s, 0, 5) == 10 && first_number(s) == 24;
  const int x = 7;
  std::memcpy(s.view(0, sizeof(x)), &x, sizeof(x));
  s.commit(0, memory_bytes);
  right = right && first_number(s) == 7;
  s.upload(4, &x, sizeof(x));
  s.clear(0, 4);
  return right && first_number(s) == 0;
}
void reset(long fails_at = -1) {
  stand_in::attempts = 0;
  stand_in::fails_at = fails_at;
}
bool nothing_is_out() { return stand_in::memories == 0 && stand_in::graphs == 0 && stand_in::events == 0 && stand_in::recordings == 0; }

}  // namespace

TEST_CASE("session: whichever call fails, all is given back") {
  reset();
  {
    session s(memory_bytes, exchange_bytes, 2);
    CHECK(use(s));
    CHECK(stand_in::memories == 3);
    CHECK(stand_in::graphs == 2);
    CHECK(s.nodes(0) == 3);
  }
  CHECK(nothing_is_out());
  const long calls = stand_in::attempts;
  CHECK(calls > 30);
  for (long at = 0; at < calls; ++at) {
    CAPTURE(at);
    reset(at);
    auto all = [] {
      session s(memory_bytes, exchange_bytes, 2);
      use(s);
    };
    CHECK_THROWS_WITH(all(), Catch::Contains("failed"));
    CHECK(stand_in::attempts == at + 1);  // nothing but giving back after a failure
    CHECK(nothing_is_out());
  }
  reset();
}

TEST_CASE("session: a run that begins while another one is under way") {
  reset();
  {
    session s(memory_bytes, exchange_bytes, 2);
    auto number = [&](int which) -> int& { return *reinterpret_cast<int*>(s.host_exchange(which)); };
    auto start = [&](int recording, int which, int x) {
      number(which) = x;
      s.start(recording, which, [&] { launch(s); });
    };
    const auto before = stand_in::calls;
    start(0, 0, 3);
    start(0, 1, 5);
    CHECK((number(0) == 3 && number(1) == 5));  // nobody has waited
    s.wait(0);
    CHECK((number(0) == 6 && number(1) == 5));
    start(1, 0, 4);
    s.wait(1);
    CHECK((number(0) == 4 && number(1) == 10));
    CHECK(first_number(s) == 6 + 10 + 8);  // of all that has begun
    s.wait(0);
    CHECK(number(0) == 8);
    CHECK(stand_in::graphs == 3);
    CHECK(s.nodes(0) == 3);
    start(0, 1, 7);
    start(0, 0, 9);
    s.wait(0);  // the later one: all of them
    CHECK((number(0) == 18 && number(1) == 14));
    s.wait(1);
    CHECK(stand_in::graphs == 3);
    CHECK(stand_in::calls.starts == before.starts + 5);
    start(0, 0, 1);  // nobody waits
  }
  CHECK(nothing_is_out());
}

TEST_CASE("session: a run that failed can be run again") {
  for (long at = 0; at < 6; ++at) {  // begin, copy, the launch, copy, end, start
    CAPTURE(at);
    reset();
    {
      session s(memory_bytes, exchange_bytes, 2);
      CHECK(doubled(s, 1, 1) == 2);
      reset(at);
      CHECK_THROWS_WITH(doubled(s, 0, 3), Catch::Contains("failed"));
      reset();
      CHECK(stand_in::recordings == 0);
      CHECK(doubled(s, 0, 3) == 6);
      CHECK(s.nodes(0) == 3);
      CHECK(doubled(s, 1, 4) == 8);
      CHECK(first_number(s) == 2 + 6 + 8);  // the failed run has done nothing
    }
    CHECK(nothing_is_out());
  }
}

namespace {

// What a session, or its use, says; empty where nothing was thrown.
template <class F> std::string said_by(F const& f) {
  try {
    f();
  } catch (gpu::cuda_error const& e) {
    return e.what();
  }
  return {};
}
void make(gpu::session_options const& on = {}) { session s(memory_bytes, exchange_bytes, 2, on); }
// Begins with where it comes from, and has one full stop, at its end.
bool is_one_sentence(std::string const& text) {
  return text.starts_with("CUDA: ") && text.ends_with(".") && text.find(". ") == std::string::npos && text.find('\n') == std::string::npos;
}

// The caller's memory: counts, and refuses or misplaces on demand.
struct pool {
  std::map<void*, std::size_t> out;
  void* stream = nullptr;
  std::size_t off = 0;
  bool empty = false;
  long given = 0, wrong = 0;

  gpu::session_options options(void* of) {
    stream = of;
    return {.stream = of,
            .allocate = [](std::size_t bytes, void* on, void* self) { return static_cast<pool*>(self)->allocate(bytes, on); },
            .release = [](void* p, std::size_t bytes, void* on, void* self) { static_cast<pool*>(self)->release(p, bytes, on); },
            .pool = this};
  }
  void* allocate(std::size_t bytes, void* on) {
    wrong += on != stream;
    if (empty) return nullptr;
    ++given;
    void* p = static_cast<std::byte*>(std::aligned_alloc(256, 2048)) + off;
    out[p] = bytes;
    return p;
  }
  void release(void* p, std::size_t bytes, void* on) {
    wrong += on != stream || out.erase(p) != 1 || bytes > 1024;
    std::free(static_cast<std::byte*>(p) - off);
  }
};

}  // namespace

TEST_CASE("session: the caller's stream and allocator") {
  int some_stream;
  const auto free_bytes = stand_in::gpu.free_bytes;
  stand_in::gpu.free_bytes = 0;  // the pool has it already
  const auto before = stand_in::calls.allocations;
  pool p;
  {
    session s(memory_bytes, exchange_bytes, 2, p.options(&some_stream));
    CHECK(use(s));
    CHECK(p.out.size() == 2);
    CHECK(stand_in::calls.allocations == before + 1);  // the host's pinned memory
  }
  CHECK(p.out.empty());
  const long given_before = p.given;
  reset();
  {
    session s(memory_bytes, exchange_bytes, 2, p.options(&some_stream));
    CHECK(use(s));
  }
  const long calls = stand_in::attempts;
  CHECK(p.given == given_before + 2);
  for (long at = 0; at < calls; ++at) {
    CAPTURE(at);
    reset(at);
    CHECK_THAT(said_by([&] {
                 session s(memory_bytes, exchange_bytes, 2, p.options(&some_stream));
                 use(s);
               }),
               Catch::Contains("failed"));
    CHECK(p.out.empty());
    CHECK(nothing_is_out());
  }
  reset();
  CHECK(p.given > 2);
  CHECK(p.wrong == 0);

  pool misplaced, nothing;
  misplaced.off = 64;
  nothing.empty = true;
  const std::string at_64 = said_by([&] { make(misplaced.options(&some_stream)); }), none = said_by([&] { make(nothing.options(&some_stream)); });
  CHECK_THAT(at_64, Catch::Contains("multiple of 256"));
  CHECK_THAT(none, Catch::Contains("the caller's allocator has no room for 0.1 GiB"));
  CHECK(is_one_sentence(at_64));
  CHECK(is_one_sentence(none));
  CHECK(misplaced.out.empty());
  CHECK(misplaced.given == 2);
  CHECK(nothing_is_out());
  stand_in::gpu.free_bytes = free_bytes;
}

TEST_CASE("session: what will not do is refused in one sentence, and the program goes on") {
  const gpu::gpu_facts good = stand_in::gpu;
  int some_stream;
  const gpu::session_options with_stream{.stream = &some_stream};
  struct { const char* contains; gpu::session_options on; void (*pretend)(); } cases[] = {
      {"no GPU is available (there is none in this machine)", {}, [] { stand_in::present = false; }},
      {"stand-in has compute capability 7.5; at least 8.0 is needed", {}, [] { stand_in::gpu.major = 7, stand_in::gpu.minor = 5; }},
      {"compiled for compute capability 9.0, 12.0, and stand-in has 8.6; compile it with -DFORMWORK_CUDA_ARCHITECTURES=86", {}, [] { stand_in::compiled_for = {90, 120}, stand_in::gpu.major = 8, stand_in::gpu.minor = 6; }},
      {"needs 0.1 GiB and stand-in has 0.0 GiB free; choose a smaller batch, or a workspace budget", {}, [] { stand_in::gpu.free_bytes = 0; }},
      {"stream is none of this process", with_stream, [] { stand_in::stream.known = false; }},
      {"stream is the default stream", with_stream, [] { stand_in::stream.blocks = true; }},
      {"stream is being recorded into a graph", with_stream, [] { stand_in::stream.records = true; }},
      {"stream is of GPU 2 and the current one is GPU 0; call cudaSetDevice(2)", with_stream, [] { stand_in::stream.gpu = 2; }},
  };
  for (auto const& c : cases) {
    c.pretend();
    const std::string said = said_by([&] { make(c.on); });
    CAPTURE(said);
    CHECK_THAT(said, Catch::Contains(c.contains));
    CHECK(is_one_sentence(said));
    CHECK(nothing_is_out());
    stand_in::present = true;
    stand_in::gpu = good;
    stand_in::compiled_for = {80};
    stand_in::stream = {};
    CHECK(said_by([&] { make(c.on); }) == "");
  }
}

TEST_CASE("session: used by a thread whose GPU is another one") {
  {
    session s(memory_bytes, exchange_bytes, 2);
    CHECK(doubled(s, 0, 3) == 6);
    stand_in::current = 1;
    const auto before = stand_in::calls;
    for (auto use_it : {+[](session& x) { doubled(x, 0, 1); }, +[](session& x) { doubled(x, 1, 1); }, +[](session& x) { first_number(x); }, +[](session& x) { x.commit(0, 4); },
                        +[](session& x) { x.wait(0); }, +[](session& x) { x.clear(0, 4); }, +[](session& x) { x.upload(0, x.host_exchange(), 4); }}) {
      const std::string said = said_by([&] { use_it(s); });
      CHECK_THAT(said, Catch::Contains("made on GPU 0 and this thread's current one is GPU 1; call cudaSetDevice(0)"));
      CHECK(is_one_sentence(said));
    }
    CHECK(stand_in::calls == before);
    stand_in::current = 0;
    CHECK(doubled(s, 0, 4) == 8);
    CHECK(first_number(s) == 6 + 8);
  }
  CHECK(nothing_is_out());
}

TEST_CASE("session: launches that are checked one by one name the kernel that fails") {
  stand_in::calls = {};
  {
    session s(memory_bytes, exchange_bytes, 2, {.check_each_launch = true});
    CHECK(use(s));
    CHECK(stand_in::calls.recordings == 0);
    CHECK(stand_in::calls.starts == 0);
    CHECK(s.nodes(0) == 0);
    auto three = [&] {
      s.run(0, [&] {
        for (const char* kernel : {"first", "second", "third"}) {
          launch(s);
          if (static_cast<stand_in*>(s.queue())->checks_each_launch()) stand_in::attempt("the run", kernel);
        }
      });
    };
    reset(4);  // a copy, a launch, its check, a launch
    const std::string said = said_by(three);
    CHECK_THAT(said, Catch::Contains("the run of the kernel 'second' failed"));
    CHECK(is_one_sentence(said));
    CHECK_FALSE(static_cast<stand_in*>(s.queue())->checks_each_launch());
    reset();
    CHECK(said_by(three) == "");
  }
  CHECK(nothing_is_out());
}

TEST_CASE("session: an error that ends the context comes back from every call, and all is given back") {
  {
    session s(memory_bytes, exchange_bytes, 2);
    CHECK(doubled(s, 0, 3) == 6);
    reset(2);  // the wait behind the start
    stand_in::sticky = true;
    const std::string first = said_by([&] { doubled(s, 0, 3); });
    CHECK_THAT(first, Catch::Contains("context is lost, start the program again from its last checkpoint"));
    CHECK(is_one_sentence(first));
    for (auto use_it : {+[](session& x) { doubled(x, 0, 1); }, +[](session& x) { doubled(x, 1, 1); }, +[](session& x) { first_number(x); }, +[](session& x) { x.clear(0, 4); }})
      CHECK_THAT(said_by([&] { use_it(s); }), Catch::Contains("context is lost"));
  }
  CHECK(nothing_is_out());
  stand_in::sticky = false;
  reset();
  session s(memory_bytes, exchange_bytes, 2);
  CHECK(use(s));
}
