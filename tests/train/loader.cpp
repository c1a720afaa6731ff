// loader: every window once per epoch, in an order that follows from the seed and resumes anywhere.
#include <formwork/train/loader.hpp>

#include <chrono>
#include <map>
#include <set>
#include <thread>

#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace formwork::train;
using Catch::Contains;

namespace {
// Token i is i, so that a window tells where it begins.
std::vector<std::int32_t> counting(std::size_t size) {
  std::vector<std::int32_t> tokens(size);
  for (std::size_t i = 0; i < size; ++i) tokens[i] = static_cast<std::int32_t>(i);
  return tokens;
}
std::vector<std::int32_t> taken(loader<std::int32_t>& from, int batches) {
  std::vector<std::int32_t> all;
  for (int i = 0; i < batches; ++i) {
    const auto batch = from.next();
    all.insert(all.end(), batch.inputs.begin(), batch.inputs.end());
    all.insert(all.end(), batch.targets.begin(), batch.targets.end());
  }
  return all;
}
}  // namespace

TEST_CASE("permutation: every element once, for every size") {
  for (std::uint64_t size = 1; size < 300; ++size)
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      std::set<std::uint64_t> seen;
      const permutation order(size, seed, size);
      for (std::uint64_t i = 0; i < size; ++i) {
        REQUIRE(order(i) < size);
        seen.insert(order(i));
      }
      REQUIRE(seen.size() == size);
    }
  const permutation vast(std::uint64_t(3) << 60, 1, 2);
  CHECK(vast(5) < vast.size());
  CHECK(vast(5) != vast(6));
}

TEST_CASE("permutation: seeds and epochs shuffle evenly") {
  // Where element 0 of 7 goes, over 7,000 streams: chi-squared with 6 degrees of freedom is above 33.1 once in
  // 100,000 tries; the order of two neighbours is a fair coin, 7,000 throws, 5 sigma = 209.
  for (const bool by_seed : {false, true}) {
    std::map<std::uint64_t, int> counts;
    int ascending = 0;
    for (std::uint64_t i = 0; i < 7000; ++i) {
      const permutation order(7, by_seed ? i : 3, by_seed ? 3 : i);
      ++counts[order(0)];
      ascending += order(2) < order(3);
    }
    double chi = 0;
    for (std::uint64_t i = 0; i < 7; ++i) chi += (counts[i] - 1000.0) * (counts[i] - 1000.0) / 1000.0;
    CHECK(chi < 33.1);
    CHECK(std::abs(ascending - 3500) < 209);
  }
}

TEST_CASE("loader: an epoch visits each window once, batches run on into the next, targets are one ahead") {
  for (const std::size_t size : {11u, 12u, 29u, 30u, 31u, 503u}) {
    const auto tokens = counting(size);
    loader feed(std::span<const std::int32_t>(tokens), {.context = 10, .batch = 3, .seed = 5});
    std::vector<std::int32_t> starts;
    std::vector<std::uint64_t> offsets;
    while (starts.size() < 4 * (size / 10) + 8) {
      const auto batch = feed.next();
      REQUIRE(batch.inputs.size() == 30);
      REQUIRE(batch.targets.size() == 30);
      for (std::size_t i = 0; i < 30; ++i) {
        REQUIRE(batch.inputs[i] == batch.inputs[i / 10 * 10] + static_cast<std::int32_t>(i % 10));
        REQUIRE(batch.targets[i] == batch.inputs[i] + 1);
      }
      for (std::size_t row = 0; row < 3; ++row) starts.push_back(batch.inputs[10 * row]);
    }
    std::size_t at = 0;
    for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
      const std::size_t windows = feed.windows(epoch);
      REQUIRE(windows >= std::max<std::size_t>(1, (size - 1) / 10 - 1));
      std::vector<std::int32_t> visited(starts.begin() + static_cast<std::ptrdiff_t>(at), starts.begin() + static_cast<std::ptrdiff_t>(at + windows));
      if (windows > 20) CHECK(!std::is_sorted(visited.begin(), visited.end()));
      std::sort(visited.begin(), visited.end());
      for (std::size_t i = 0; i < windows; ++i) REQUIRE(visited[i] == visited[0] + static_cast<std::int32_t>(10 * i));
      REQUIRE(visited[0] < 10);
      REQUIRE(static_cast<std::size_t>(visited.back()) + 11 + 10 > size);  // no further window would fit behind the last
      offsets.push_back(static_cast<std::uint64_t>(visited[0]));
      at += windows;
    }
    if (size == 503) CHECK(std::set(offsets.begin(), offsets.end()).size() > 1);
  }
}

TEST_CASE("loader: resumes with the same batches from every position, whatever is prefetched") {
  const auto tokens = counting(203);
  const std::span<const std::int32_t> view(tokens);
  const loader_options options{.context = 8, .batch = 7, .seed = 9};
  loader<std::int32_t> whole(view, options);
  std::vector<std::vector<std::int32_t>> batches;
  std::vector<data_position> positions{whole.position()};
  for (int i = 0; i < 20; ++i) {
    batches.push_back(taken(whole, 1));
    positions.push_back(whole.position());
  }
  CHECK(positions[0] == data_position{0, 0});
  CHECK(positions[1] == data_position{0, 7});
  CHECK(positions.back().epoch >= 5);
  for (std::size_t stop = 0; stop < 20; ++stop) {
    auto resumed = options;
    resumed.start = positions[stop];
    resumed.ahead = 1 + stop % 4;
    loader<std::int32_t> rest(view, resumed);
    CHECK(rest.position() == positions[stop]);
    for (std::size_t i = stop; i < 20; ++i) REQUIRE(taken(rest, 1) == batches[i]);
    REQUIRE(rest.position() == positions.back());
  }
  auto other = options;
  other.seed = 10;
  loader<std::int32_t> different(view, other);
  CHECK(taken(different, 1) != batches[0]);
}

TEST_CASE("loader: no allocation after construction and a batch stays as it is until the next call") {
  std::vector<std::uint8_t> text(5000);
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<std::uint8_t>(i * 7);
  loader feed(std::span<const std::uint8_t>(text), {.context = 32, .batch = 4, .seed = 1});
  feed.next();
  const long before = formwork::testing::allocations;
  long sum = 0;
  bool steady = true;
  for (int i = 0; i < 500; ++i) {
    const auto batch = feed.next();
    long first = 0, second = 0;
    for (const auto token : batch.inputs) first += token;
    if (i % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    for (const auto token : batch.inputs) second += token;
    steady = steady && first == second;
    sum += first;
  }
  CHECK(formwork::testing::allocations == before);
  CHECK(before > 0);  // the count works
  CHECK(steady);
  CHECK(sum > 0);
}

TEST_CASE("loader: can be given up at any moment") {
  const auto tokens = counting(100);
  long taken = 0;
  for (int i = 0; i < 200; ++i) {
    loader<std::int32_t> feed(std::span<const std::int32_t>(tokens), {.context = 4, .batch = 2, .ahead = static_cast<std::uint64_t>(1 + i % 3)});
    for (int j = 0; j < i % 5; ++j) taken += static_cast<long>(feed.next().inputs.size());
  }
  CHECK(taken == 200 / 5 * (0 + 1 + 2 + 3 + 4) * 4 * 2);
}

TEST_CASE("loader: what cannot be is a sentence") {
  const auto tokens = counting(10);
  const std::span<const std::int32_t> view(tokens);
  using feed = loader<std::int32_t>;
  CHECK_THROWS_WITH(feed(view, {.context = 10, .batch = 1}), Contains("has 10 tokens, but a context of 10 needs 11; name more text"));
  CHECK_THROWS_WITH(feed(view, {.context = 5, .batch = 0}), Contains("choose them above 0"));
  CHECK_THROWS_WITH(feed(view, {.context = 5, .batch = 1, .start = {0, 3}}), Contains("The position 3 lies beyond the 1 windows of its epoch"));
  CHECK_NOTHROW(feed(view, {.context = 5, .batch = 1, .start = {0, 1}}));
  CHECK_THROWS_WITH((evaluation_set<std::int32_t>(view, {.context = 10, .batch = 1})), Contains("choose a smaller context"));
}

TEST_CASE("evaluation_set: windows side by side, each once and a last batch says how many rows count") {
  const auto tokens = counting(10 * 23 + 7);
  evaluation_set windows(std::span<const std::int32_t>(tokens), {.context = 10, .batch = 4});
  CHECK(windows.windows() == 23);
  CHECK(windows.batches() == 6);
  CHECK(windows.full_batches() == 5);
  std::int32_t expected = 0;
  for (std::uint64_t b = 0; b < windows.batches(); ++b) {
    const auto batch = windows[b];
    CHECK(batch.rows == (b == 5 ? 3 : 4));
    for (std::size_t i = 0; i < 10 * batch.rows; ++i) {
      REQUIRE(batch.inputs[i] == expected++);
      REQUIRE(batch.targets[i] == expected);
    }
  }
  CHECK(expected == 230);
  CHECK(windows[5].inputs[30] == 0);  // the row that does not count holds tokens all the same

  evaluation_set few(std::span<const std::int32_t>(tokens), {.context = 10, .batch = 4, .at_most = 4});
  REQUIRE(few.batches() == 1);
  const auto batch = few[0];
  CHECK(batch.rows == 4);
  for (std::size_t row = 0; row < 4; ++row) CHECK(batch.inputs[10 * row] == static_cast<std::int32_t>(23 * row / 4 * 10));
}
