// Learning rates over a run.
#include "formwork/optim/schedule.hpp"
#include "support/catch.hpp"

using namespace formwork;

static_assert(schedule<constant_rate> && schedule<linear_decay> && schedule<cosine_decay>);
static_assert(constant_rate{.peak = 0.5f}.rate(0) == 0.5f && constant_rate{.peak = 0.5f}.rate(1000) == 0.5f);
static_assert(constant_rate{.peak = 1, .warmup = 4}.rate(0) == 0.25f);
static_assert(constant_rate{.peak = 1, .warmup = 4}.rate(3) == 1);

inline constexpr linear_decay line{.peak = 1, .last = 0.5f, .warmup = 4, .steps = 9};
static_assert(line.rate(0) == 0.25f && line.rate(3) == 1 && line.rate(4) == 1 && line.rate(6) == 0.75f);
static_assert(line.rate(8) == 0.5f && line.rate(9) == 0.5f && line.rate(1000) == 0.5f);

TEST_CASE("schedule: a cosine goes from the peak through the middle to the last rate") {
  const cosine_decay s{.peak = 1, .last = 0.2f, .warmup = 10, .steps = 111};
  CHECK(s.rate(0) == Approx(0.1));
  CHECK(s.rate(9) == 1);
  CHECK(s.rate(10) == 1);
  CHECK(s.rate(35) == Approx(0.6 + 0.4 * std::sqrt(0.5)));
  CHECK(s.rate(60) == Approx(0.6));
  CHECK(s.rate(110) == Approx(0.2));
  CHECK(s.rate(5000) == Approx(0.2));
  for (long t = 10; t < 110; ++t) CHECK(s.rate(t + 1) < s.rate(t));
}

TEST_CASE("schedule: runs shorter than their warm-up, and of one step") {
  CHECK(cosine_decay{.peak = 1, .last = 0.3f, .warmup = 100, .steps = 10}.rate(9) == Approx(0.1));
  CHECK(cosine_decay{.peak = 1, .last = 0.1f, .warmup = 0, .steps = 1}.rate(0) == Approx(0.1));
  CHECK(linear_decay{.peak = 1, .last = 0.1f, .warmup = 0, .steps = 2}.rate(0) == 1);
  CHECK(linear_decay{.peak = 1, .last = 0.1f, .warmup = 0, .steps = 2}.rate(1) == Approx(0.1));
}
