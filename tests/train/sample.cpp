#include "formwork/train/sample.hpp"

#include <limits>

#include "support/catch.hpp"

using formwork::sampler;

namespace {

const std::vector<float> logits{0.5f, -1.f, 2.f, 2.f, -0.25f, 1.f, -3.f, 0.f};

std::vector<double> softmax(std::vector<float> const& z, double temperature, std::vector<bool> const& kept) {
  std::vector<double> p(z.size());
  double sum = 0;
  for (std::size_t i = 0; i < z.size(); ++i) sum += p[i] = kept[i] ? std::exp(z[i] / temperature) : 0;
  for (double& x : p) x /= sum;
  return p;
}

// Pearson's statistic of 20000 draws against the given probabilities; infinite when a token of probability 0 came.
double chi_square(formwork::sampling const& settings, std::vector<double> const& p) {
  constexpr int draws = 20000;
  std::vector<int> count(p.size());
  sampler draw(settings, p.size());
  for (int i = 0; i < draws; ++i) ++count[static_cast<std::size_t>(draw(logits, static_cast<std::uint64_t>(i)))];
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (p[i] == 0 && count[i]) return std::numeric_limits<double>::infinity();
    if (p[i] > 0) sum += (count[i] - draws * p[i]) * (count[i] - draws * p[i]) / (draws * p[i]);
  }
  return sum;
}

}  // namespace

TEST_CASE("sample: frequencies follow the softmax of the logits") {
  const std::vector<bool> all(logits.size(), true);
  // The upper 0.1% point of chi-square with 7 degrees of freedom is 24.3, with 3 it is 16.3.
  CHECK(chi_square({.seed = 1}, softmax(logits, 1, all)) < 24.3);
  CHECK(chi_square({.temperature = 0.7, .seed = 2}, softmax(logits, 0.7, all)) < 24.3);
  CHECK(chi_square({.temperature = 2.5, .seed = 3}, softmax(logits, 2.5, all)) < 24.3);
  std::vector<bool> four{true, false, true, true, false, true, false, false};
  CHECK(chi_square({.top_k = 4, .seed = 4}, softmax(logits, 1, four)) < 16.3);
  // The same statistic must find another temperature and another k.
  CHECK(chi_square({.temperature = 0.7, .seed = 2}, softmax(logits, 1, all)) > 100);
  CHECK(chi_square({.seed = 4}, softmax(logits, 1, four)) > 100);
}

TEST_CASE("sample: temperature 0 takes the first of the largest logits") {
  sampler draw({.temperature = 0, .seed = 9}, logits.size());
  for (std::uint64_t i = 0; i < 10; ++i) CHECK(draw(logits, i) == 2);
  CHECK(sampler({.top_k = 1}, logits.size())(logits, 3) == 2);
}

TEST_CASE("sample: a draw depends on its number and the seed alone") {
  sampler first({.seed = 5}, logits.size()), again({.seed = 5}, logits.size()), other({.seed = 6}, logits.size());
  int differ = 0;
  for (std::uint64_t i = 100; i-- > 0;) {
    const auto token = first(logits, i);
    CHECK(again(logits, i) == token);
    differ += other(logits, i) != token;
  }
  CHECK(differ > 30);
}

TEST_CASE("sample: huge logits, and what cannot be drawn from") {
  std::vector<float> huge{1e30f, -1e30f, -std::numeric_limits<float>::infinity()};
  sampler draw({}, 3);
  for (std::uint64_t i = 0; i < 100; ++i) CHECK(draw(huge, i) == 0);
  huge[1] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(draw(huge, 0), Catch::Contains("not numbers"));
  CHECK_THROWS_WITH(sampler({.temperature = -1}, 3), Catch::Contains("temperature is -1"));
  CHECK_THROWS_WITH(sampler({.temperature = std::nan("")}, 3), Catch::Contains("temperature"));
  CHECK_THROWS_WITH(sampler({.top_k = 4}, 3), Catch::Contains("top-k is 4"));
  CHECK_THROWS_WITH(sampler({.top_k = -1}, 3), Catch::Contains("top-k is -1"));
}
