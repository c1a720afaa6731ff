// The attend skeleton against a naive f64 attention, by finite differences, and its laws: bits do not depend on
// the threads or on skipped blocks.
#include <cmath>
#include <cstring>
#include <vector>

#include "attend_reference.hpp"

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace {

using namespace attend_test;

// Documents of 13 tokens; every 29th query belongs to none and sees nothing.
struct documents {
  std::vector<int> key = std::vector<int>(batch * tokens), query = key;
  documents() {
    for (int i = 0; i < batch * tokens; ++i) {
      key[i] = i % tokens / 13;
      query[i] = i % 29 == 5 ? -1 : key[i];
    }
  }
};

template <class T> test_score<T> make_score(arena<T, shape>& a, documents const& d, score_kind kind, mask_kind masking) {
  return {kind, masking, true, a.table.data(), d.key.data(), d.query.data(), a.d_table.data()};
}

constexpr score_kind all_scores[] = {score_kind::scaled, score_kind::softcap, score_kind::alibi, score_kind::learned};
constexpr mask_kind all_masks[] = {mask_kind::none, mask_kind::causal, mask_kind::window, mask_kind::prefix,
                                   mask_kind::document};

template <class T> void every_combination() {
  documents d;
  arena<T, shape> a(1);
  for (score_kind kind : all_scores)
    for (mask_kind masking : all_masks) {
      INFO("score " << int(kind) << ", mask " << int(masking));
      auto score = make_score(a, d, kind, masking);
      check_all(a, score, {}, kind == score_kind::learned);
    }
}

template <class T> void every_length() {
  documents d;
  arena<T, shape> a(2);
  for (int n : {1, 3, 17, 64, 100})
    for (mask_kind masking : {mask_kind::none, mask_kind::causal}) {
      INFO("length " << n << ", mask " << int(masking));
      auto score = make_score(a, d, score_kind::learned, masking);
      check_all(a, score, {.query = n, .key = n}, true);
    }
  const std::int32_t queries[] = {19, 64}, keys[] = {100, 3};
  auto score = make_score(a, d, score_kind::softcap, mask_kind::prefix);
  check_all(a, score, {.query_of_batch = queries, .key_of_batch = keys}, false);
  const std::int32_t none[] = {0, 100};
  check_all(a, score, {.key_of_batch = none}, false);
  check_all(a, score, {.query_of_batch = none}, false);
}

// One query over a key-value cache takes its own way.
using decode_shape = cpu::attend_shape<batch, heads, groups, 1, tokens, width>;

template <class T> void decoding() {
  documents d;
  arena<T, decode_shape> a(9);
  const std::int32_t keys[] = {100, 33}, none[] = {1, 0};
  for (score_kind kind : all_scores)
    for (mask_kind masking : all_masks) {
      INFO("score " << int(kind) << ", mask " << int(masking));
      test_score<T> score{kind, masking, true, a.table.data(), d.key.data(), d.query.data(), a.d_table.data()};
      const bool single = masking != mask_kind::none && masking != mask_kind::prefix;
      check_all(a, score, {}, kind == score_kind::learned, single);
      check_all(a, score, {.key_of_batch = keys}, kind == score_kind::learned, single);
      check_all(a, score, {.key = 50, .query_of_batch = none}, kind == score_kind::learned, single);
    }
}

template <class X> bool same_bits(X const& x, X const& y) {
  return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(x[0])) == 0;
}
template <class A> bool same_results(A const& x, A const& y) {
  return same_bits(x.out, y.out) && same_bits(x.lse, y.lse) && same_bits(x.d_qkv, y.d_qkv) &&
         same_bits(x.d_table, y.d_table);
}

// The causal score with its oracle, on a shape of few (batch, group) pairs, where the backward pass is split.
template <class T> struct causal_score : cpu::scaled_score<T, cpu::attend_causal> {
  using base = cpu::scaled_score<T, cpu::attend_causal>;
  using base::value;
  double value(double s, integer, integer, integer, integer) const { return s * double(this->scale); }
  double slope_of(double) const { return double(this->scale); }
  bool sees(integer, integer q, integer k) const { return k <= q + this->visibility.offset; }
};
using long_shape = cpu::attend_shape<1, 2, 1, 70, 400, 32>;

}  // namespace

TEST_CASE("attend: every score and mask agrees with the f64 definition, f32") { every_combination<float>(); }
TEST_CASE("attend: every score and mask agrees with the f64 definition, f64") { every_combination<double>(); }
TEST_CASE("attend: run-time lengths, f32") { every_length<float>(); }
TEST_CASE("attend: run-time lengths, f64") { every_length<double>(); }

TEST_CASE("attend: one query over a key-value cache, f32") { decoding<float>(); }
TEST_CASE("attend: one query over a key-value cache, f64") { decoding<double>(); }

TEST_CASE("attend: a backward pass split over keys, with keys before the first query") {
  arena<float, long_shape> a(3);
  causal_score<float> score;
  score.scale = 0.2f;
  score.visibility.offset = 330;
  check_all(a, score, {}, false);
  score.visibility.offset = 100;
  check_all(a, score, {.query = 51, .key = 333}, false);
  arena<double, long_shape> b(3);
  causal_score<double> wide;
  wide.scale = 0.2;
  wide.visibility.offset = 17;
  check_all(b, wide, {}, false);
}

TEST_CASE("attend: a row without a visible key gives 0 and no gradient") {
  documents d;
  arena<float, shape> a(4);
  a.both(make_score(a, d, score_kind::softcap, mask_kind::document), {});
  for (integer b = 0; b < batch; ++b)
    for (integer q = 0; q < tokens; ++q)
      if (d.query[b * tokens + q] == -1)
        for (integer h = 0; h < heads; ++h) {
          CHECK(a.lse[(b * heads + h) * tokens + q] == -INFINITY);
          for (integer i = 0; i < width; ++i) {
            CHECK(a.out[((b * heads + h) * tokens + q) * width + i] == 0.0f);
            CHECK(a.gradients().query.row(b, h, q)[i] == 0.0f);
          }
        }
}

TEST_CASE("attend: writes only the slices it is given") {
  documents d;
  arena<float, shape> a(5);
  a.both(make_score(a, d, score_kind::scaled, mask_kind::causal), {});
  using arena_t = arena<float, shape>;
  for (integer row = 0; row < batch * tokens; ++row)
    for (integer i = arena_t::C - 3; i < arena_t::C; ++i) CHECK(a.d_qkv[row * arena_t::C + i] == 7.0f);
}

TEST_CASE("attend: skipping blocks changes no bit") {
  documents d;
  for (mask_kind masking : all_masks) {
    INFO("mask " << int(masking));
    arena<float, shape> x(6), y(6);
    auto skipping = make_score(x, d, score_kind::learned, masking), everything = make_score(y, d, score_kind::learned, masking);
    everything.skipping = false;
    x.both(skipping, {});
    y.both(everything, {});
    CHECK(same_results(x, y));
  }
}

#if defined(_OPENMP)
TEST_CASE("attend: bits do not depend on the number of threads") {
  documents d;
  const int before = omp_get_max_threads();
  causal_score<float> score;
  score.scale = 0.2f;
  omp_set_num_threads(1);
  arena<float, shape> x(7);
  arena<float, long_shape> u(7);
  x.both(make_score(x, d, score_kind::learned, mask_kind::causal), {});
  u.both(score, {});
  for (int threads : {2, 3}) {
    omp_set_num_threads(threads);
    arena<float, shape> y(7);
    arena<float, long_shape> v(7);
    y.both(make_score(y, d, score_kind::learned, mask_kind::causal), {});
    v.both(score, {});
    CHECK(same_results(x, y));
    CHECK(same_results(u, v));
  }
  omp_set_num_threads(before);
}
#endif

TEST_CASE("attend: gradients agree with central differences") {
  documents d;
  arena<double, shape> a(8);
  const cpu::attend_lengths lengths{.query = 23, .key = 23};
  for (score_kind kind : all_scores) {
    auto score = make_score(a, d, kind, mask_kind::prefix);
    auto loss = [&] {
      a.forward(score, lengths);
      double sum = 0;
      for (std::size_t i = 0; i < a.out.size(); ++i) sum += a.out[i] * a.d_out[i];
      return sum;
    };
    a.both(score, lengths);
    // (f(x + e) - f(x - e)) / 2e errs by e^2 f'''/6 + u |f| / e: about 1e-9 for e = 1e-5 and f of some hundreds.
    auto check = [&](double& x, double gradient) {
      const double old = x, e = 1e-5;
      x = old + e;
      const double above = loss();
      x = old - e;
      const double below = loss();
      x = old;
      CHECK(std::abs((above - below) / (2 * e) - gradient) < 1e-7 * (1 + std::abs(gradient)));
    };
    const auto saved = a.d_qkv;
    using arena_t = arena<double, shape>;
    for (integer b : {0, 1})
      for (integer t : {0, 11, 22})
        for (integer i : {3, 25, 3 * width + 7, heads * width + 4, (heads + 1) * width, (heads + groups) * width + 19}) {
          const integer at = (b * tokens + t) * arena_t::C + i;
          check(a.qkv[at], saved[at]);
        }
    if (kind == score_kind::learned)
      for (int r : {tokens - 1, tokens + 3, tokens - 5}) {
        const integer at = 2 * relative + r;
        check(a.table[at], a.d_table[at]);
      }
  }
}
