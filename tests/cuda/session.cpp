// The memory and the recordings of a run on a pretended GPU, whichever call fails.
#include <cstring>
#include <string>

#include "emulator/stand_in.hpp"
#include "support/catch.hpp"

using namespace formwork;
using emulator::stand_in;

namespace {

using session = cuda::session<stand_in>;
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
bool nothing_is_out() { return stand_in::memories == 0 && stand_in::graphs == 0 && stand_in::recordings == 0; }

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
