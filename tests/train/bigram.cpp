// bigram: a proper distribution, the known entropy of a known source, and no cheap baseline.
#include <formwork/train/bigram.hpp>

#include <random>
#include <string>

#include "support/catch.hpp"

using namespace formwork::train;

namespace {
using text_t = std::vector<std::uint8_t>;

// A Markov chain over `states` bytes: the next state is the next one with probability 3/4, else any, evenly.
text_t chain(std::size_t size, unsigned states, unsigned seed) {
  std::mt19937 random(seed);
  text_t text(size);
  unsigned state = 0;
  for (auto& byte : text) {
    state = random() % 4 ? (state + 1) % states : static_cast<unsigned>(random() % states);
    byte = static_cast<std::uint8_t>('0' + state);
  }
  return text;
}
}  // namespace

TEST_CASE("bigram: probabilities sum to 1, seen or unseen") {
  const bigram_model model(chain(1000, 5, 1));
  for (const double alpha : {0.01, 1.0, 300.0})
    for (const int a : {int('0'), int('4'), int('x'), 0, 255}) {
      double sum = 0;
      for (int b = 0; b < 256; ++b) {
        const double p = model.probability(static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(b), alpha);
        REQUIRE(p > 0);
        sum += p;
      }
      CHECK(sum == Approx(1).epsilon(1e-12));
    }
}

TEST_CASE("bigram: counts by hand") {
  const text_t text{'a', 'b', 'a', 'b', 'b'};  // ab ba ab bb
  const bigram_model model(text);
  const double pb = (3 + 1) / (5 + 256.0), pa = (2 + 1) / (5 + 256.0);
  CHECK(model.probability('a', 'b', 2) == Approx((2 + 2 * pb) / (2 + 2)));
  CHECK(model.probability('b', 'a', 2) == Approx((1 + 2 * pa) / (2 + 2)));
  CHECK(model.probability('z', 'b', 2) == Approx(pb));
  const text_t judged{'a', 'b', 'a'};
  CHECK(model.cross_entropy(judged, 2) == Approx(-(std::log((2 + 2 * pb) / 4) + std::log((1 + 2 * pa) / 4)) / 2));
  CHECK(std::isnan(model.cross_entropy(text_t{'a'}, 2)));
}

TEST_CASE("bigram: finds the entropy of a Markov chain from above") {
  // H = -(3/4 + 1/32) ln(3/4 + 1/32) - 7 (1/32) ln(1/32) for 8 states
  const double stay = 0.75 + 0.25 / 8, entropy = -stay * std::log(stay) - 7 * (0.25 / 8) * std::log(0.25 / 8);
  const auto training = chain(200'000, 8, 2), validation = chain(50'000, 8, 3);
  const auto result = bigram_cross_entropy(training, validation);
  CHECK(result.nats_per_byte == Approx(entropy).epsilon(0.02));  // 50,000 bytes: sigma about 0.6%
  CHECK(result.nats_per_byte < 0.6 * std::log(8.0));             // far better than single bytes
  CHECK(bigram_cross_entropy(training, text_t(100, '0')).nats_per_byte > 2);
}

TEST_CASE("bigram: the smoothing is fitted, without a look at the validation part") {
  // Few bytes of many states: pairs are sparse, so strong smoothing must win; a long text needs little.
  const auto sparse = bigram_cross_entropy(chain(300, 200, 4), chain(5000, 200, 5));
  const auto rich = bigram_cross_entropy(chain(300'000, 8, 4), chain(5000, 8, 5));
  CHECK(std::isfinite(sparse.nats_per_byte));
  CHECK(sparse.nats_per_byte < std::log(256.0) + 0.1);
  const auto training = chain(3000, 60, 6), validation = chain(20'000, 60, 7);
  const bigram_model model(training);
  const double fitted = bigram_cross_entropy(training, validation).nats_per_byte;
  CHECK(fitted < model.cross_entropy(validation, 0.02));
  CHECK(fitted < model.cross_entropy(validation, 4096));
  double best = fitted;
  for (int power = -6; power <= 12; ++power) best = std::min(best, model.cross_entropy(validation, std::ldexp(1.0, power)));
  CHECK(fitted < 1.03 * best);
  CHECK(bigram_cross_entropy(training, chain(100, 5, 1)).alpha == bigram_cross_entropy(training, validation).alpha);
  CHECK(rich.alpha >= 1.0 / 64);
  CHECK_THROWS_AS(bigram_cross_entropy(text_t{1}, training), std::invalid_argument);
  CHECK(std::isfinite(bigram_cross_entropy(text_t{1, 2}, training).nats_per_byte));
}
