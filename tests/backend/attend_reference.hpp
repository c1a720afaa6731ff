// The definition of attention in f64, a score that can be every score of the tests, and comparisons with teeth.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "formwork/backend/cpu/attend.hpp"
#include "support/catch.hpp"

namespace attend_test {

namespace cpu = formwork::cpu;
using integer = std::ptrdiff_t;

constexpr int batch = 2, heads = 4, groups = 2, tokens = 100, width = 20, relative = 2 * tokens - 1;
using shape = cpu::attend_shape<batch, heads, groups, tokens, tokens, width>;

enum class score_kind { scaled, softcap, alibi, learned };
enum class mask_kind { none, causal, window, prefix, document };

// Every score and mask of the tests in one type, so that the kernels are compiled once per element type.
// The scalar functions are the oracle's; the packs' formulas are written apart from them.
template <class T> struct test_score {
  struct accumulators { T bias[heads][relative]; };
  score_kind kind;
  mask_kind masking;
  bool skipping;
  const T* table;              // [heads][relative]
  const int* document;         // [batch][tokens] of the keys; queries have the same but for -1: sees nothing
  const int* query_document;
  T* d_table = nullptr;

  static double slope(integer h) { return std::exp2(-2.0 * double(h + 1)); }
  double value(double s, integer, integer h, integer q, integer k) const {
    double z = s / std::sqrt(double(width));
    switch (kind) {
      case score_kind::scaled: return z;
      case score_kind::softcap: return 3 * std::tanh(z / 3);
      case score_kind::alibi: return z + slope(h) * double(k - q);
      case score_kind::learned: return z + double(table[h * relative + q - k + tokens - 1]);
    }
    return 0;
  }
  double slope_of(double s) const {      // dz/ds
    double c = 1 / std::sqrt(double(width));
    if (kind != score_kind::softcap) return c;
    double t = std::tanh(s * c / 3);
    return c * (1 - t * t);
  }
  bool sees(integer b, integer q, integer k) const {
    switch (masking) {
      case mask_kind::none: return true;
      case mask_kind::causal: return k <= q;
      case mask_kind::window: return k <= q && q - k < 7;
      case mask_kind::prefix: return k <= q || k < 10;
      case mask_kind::document: return query_document[b * tokens + q] == document[b * tokens + k] && k <= q;
    }
    return false;
  }

  template <int W, class At> cpu::pack<T, W> value(cpu::pack<T, W> s, At at, int count) const {
    using vector = cpu::pack<T, W>;
    vector z = s * vector(T(1 / std::sqrt(double(width))));
    if (kind == score_kind::softcap) return vector(T(3)) * tanh(z * vector(T(1.0 / 3)));
    if (kind == score_kind::alibi || kind == score_kind::learned) {
      T bias[W] = {};
      for (int i = 0; i < count; ++i) {
        integer distance = at.query - at.key + i * (At::query_step - At::key_step);
        bias[i] = kind == score_kind::alibi ? T(-slope(at.head) * double(distance))
                                            : table[at.head * relative + distance + tokens - 1];
      }
      return z + vector::load(bias);
    }
    return z;
  }
  template <int W, class At> cpu::mask<T, W> visible(At at, int count) const {
    cpu::pack<T, W> holds(T(0));
    for (int i = 0; i < count; ++i)
      holds.v[i] = T(sees(at.batch, at.query + i * At::query_step, at.key + i * At::key_step));
    return holds > cpu::pack<T, W>(T(0));
  }
  int visible_block(integer, integer, integer q0, integer q1, integer k0, integer k1) const {
    if (!skipping) return -1;
    switch (masking) {
      case mask_kind::none: return 1;
      case mask_kind::causal: return k1 - 1 <= q0 ? 1 : k0 > q1 - 1 ? 0 : -1;
      case mask_kind::window: return k0 > q1 - 1 || q0 - (k1 - 1) >= 7 ? 0 : -1;
      case mask_kind::prefix: return k1 - 1 <= q0 || k1 <= 10 ? 1 : k0 > q1 - 1 && k0 >= 10 ? 0 : -1;
      case mask_kind::document: return k0 > q1 - 1 ? 0 : -1;
    }
    return -1;
  }
  template <int W, class At>
  cpu::pack<T, W> derivative(cpu::pack<T, W>, cpu::pack<T, W> z, cpu::pack<T, W> dz, At at, int count,
                             accumulators& acc) const {
    using vector = cpu::pack<T, W>;
    const vector c(T(1 / std::sqrt(double(width))));
    if (kind == score_kind::softcap) {
      vector t = z * vector(T(1.0 / 3));
      return dz * c * (vector(T(1)) - t * t);
    }
    if (kind == score_kind::learned)
      for (int i = 0; i < count; ++i)
        acc.bias[at.head][at.query - at.key + i * (At::query_step - At::key_step) + tokens - 1] += dz[i];
    return dz * c;
  }
  void finish(const accumulators* first, int count) const {
    if (kind != score_kind::learned) return;
    for (int h = 0; h < heads; ++h)
      for (int r = 0; r < relative; ++r) {
        T sum = 0;
        for (int i = 0; i < count; ++i) sum += first[i].bias[h][r];
        d_table[h * relative + r] = sum;
      }
  }
};

// Everything that goes in, as slices of one [B, T, 3 C] buffer with a gap, and everything that comes out.
template <class T, class Shape> struct arena {
  static constexpr integer D = Shape::width, C = (Shape::heads + 2 * Shape::groups) * D + 3;
  static constexpr integer long_side = Shape::queries > Shape::keys ? Shape::queries : Shape::keys;
  std::vector<T> qkv, d_qkv, out, d_out, lse, table, d_table;

  explicit arena(unsigned seed)
      : qkv(Shape::batch * long_side * C), d_qkv(qkv.size(), T(7)),
        out(Shape::batch * Shape::queries * Shape::heads * D, T(7)), d_out(out.size()),
        lse(Shape::batch * Shape::heads * Shape::queries, T(7)), table(heads * relative), d_table(table.size()) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    for (auto* x : {&qkv, &d_out, &table})
      for (T& e : *x) e = static_cast<T>(normal(random));
  }
  template <class P> static cpu::attend_rows<P> slice(P* base, integer first) {
    return {base + first * D, long_side * C, D, C};
  }
  cpu::attend_inputs<T> inputs(cpu::attend_lengths lengths) const {
    return {slice<const T>(qkv.data(), 0), slice<const T>(qkv.data(), Shape::heads),
            slice<const T>(qkv.data(), Shape::heads + Shape::groups), lengths};
  }
  cpu::attend_gradients<T> gradients() {
    return {slice<T>(d_qkv.data(), 0), slice<T>(d_qkv.data(), Shape::heads),
            slice<T>(d_qkv.data(), Shape::heads + Shape::groups)};
  }
  // [B, H, T, D] contiguous
  template <class P> static cpu::attend_rows<P> plain(P* base) {
    return {base, Shape::heads * Shape::queries * D, Shape::queries * D, D};
  }
  template <class Score> void forward(Score const& score, cpu::attend_lengths lengths) {
    cpu::attend_forward<T, Shape>(inputs(lengths), plain<T>(out.data()), lse.data(), score);
  }
  template <class Score> void both(Score const& score, cpu::attend_lengths lengths) {
    forward(score, lengths);
    std::vector<std::byte> scratch(cpu::attend_backward_scratch_bytes<T, Shape, Score> + 64);
    void* aligned = scratch.data();
    std::size_t room = scratch.size();
    std::align(64, room - 64, aligned, room);
    cpu::attend_backward<T, Shape>(inputs(lengths), plain<const T>(out.data()), lse.data(), plain<const T>(d_out.data()),
                                   gradients(), score, aligned);
  }
};

struct reference { std::vector<double> out, lse, dq, dk, dv, d_table; double largest = 0; };

// The definition, in f64, with whole rows of scores.
template <class T, class Shape, class Score>
reference naive(arena<T, Shape>& a, Score const& score, cpu::attend_lengths lengths) {
  constexpr integer B = Shape::batch, H = Shape::heads, G = Shape::groups, Q = Shape::queries, K = Shape::keys,
                  D = Shape::width;
  reference r{std::vector<double>(B * H * Q * D), std::vector<double>(B * H * Q, -INFINITY),
              std::vector<double>(B * H * Q * D), std::vector<double>(B * G * K * D),
              std::vector<double>(B * G * K * D), std::vector<double>(heads * relative)};
  auto in = a.inputs(lengths);
  for (integer b = 0; b < B; ++b)
    for (integer h = 0; h < H; ++h)
      for (integer q = 0; q < lengths.queries<Shape>(b); ++q) {
        const integer g = h / (H / G), keys = lengths.keys<Shape>(b), row = (b * H + h) * Q + q;
        std::vector<double> s(keys), p(keys), dp(keys);
        double total = 0, most = -INFINITY;
        for (integer k = 0; k < keys; ++k) {
          for (integer d = 0; d < D; ++d) s[k] += double(in.query.row(b, h, q)[d]) * double(in.key.row(b, g, k)[d]);
          p[k] = score.sees(b, q, k) ? score.value(s[k], b, h, q, k) : -INFINITY;
          most = std::max(most, p[k]);
          if (p[k] > -INFINITY) r.largest = std::max(r.largest, std::abs(p[k]));
        }
        if (most == -INFINITY) continue;
        for (double& x : p) total += x = std::exp(x - most);
        for (double& x : p) x /= total;
        r.lse[row] = most + std::log(total);
        double delta = 0;
        const T* d_out = a.d_out.data() + row * D;
        for (integer k = 0; k < keys; ++k)
          for (integer d = 0; d < D; ++d) {
            r.out[row * D + d] += p[k] * double(in.value.row(b, g, k)[d]);
            dp[k] += double(d_out[d]) * double(in.value.row(b, g, k)[d]);
            r.dv[((b * G + g) * K + k) * D + d] += p[k] * double(d_out[d]);
          }
        for (integer d = 0; d < D; ++d) delta += r.out[row * D + d] * double(d_out[d]);
        for (integer k = 0; k < keys; ++k) {
          const double dz = p[k] * (dp[k] - delta), ds = dz * score.slope_of(s[k]);
          if (std::abs(q - k) < tokens) r.d_table[h * relative + q - k + tokens - 1] += dz;
          for (integer d = 0; d < D; ++d) {
            r.dq[row * D + d] += ds * double(in.key.row(b, g, k)[d]);
            r.dk[((b * G + g) * K + k) * D + d] += ds * double(in.query.row(b, h, q)[d]);
          }
        }
      }
  return r;
}

inline double largest(std::vector<double> const& x) {
  double size = 0;
  for (double e : x) if (std::isfinite(e)) size = std::max(size, std::abs(e));
  return size;
}

// max |x - y| / max(|y|, 1): the inputs are of size 1, so the terms of every sum are, even where they cancel.
inline double distance(std::vector<double> const& x, std::vector<double> const& y) {
  double difference = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (x[i] == y[i]) continue;                       // equal infinities too
    double e = std::abs(x[i] - y[i]);
    difference = e <= std::numeric_limits<double>::max() ? std::max(difference, e) : INFINITY;
  }
  return difference / std::max(1.0, largest(y));
}

// The check and its teeth: zeros, 1% and two swapped rows are further away than the tolerance. With a single key
// p = 1 and ds = 0 exactly, and there is nothing to bite.
inline void check_close(std::string const& name, std::vector<double> const& x, std::vector<double> const& y, integer row,
                 double tolerance, bool vanishes = false) {
  INFO(name);
  CHECK(distance(x, y) <= tolerance);
  if (vanishes) return;
  std::vector<double> zeros(y.size(), 0.0), off = y, swapped = y;
  for (double& e : off) e *= 1.01;
  CHECK(distance(zeros, y) > tolerance);
  CHECK(distance(off, y) > tolerance);
  std::size_t other = row;
  while (other + row <= y.size() && std::equal(y.begin(), y.begin() + row, y.begin() + other)) other += row;
  if (other + row > y.size()) return;                 // all rows are equal
  std::swap_ranges(swapped.begin(), swapped.begin() + row, swapped.begin() + other);
  CHECK(distance(swapped, y) > tolerance);
}

template <class T> std::vector<double> widen(std::vector<T> const& x) { return {x.begin(), x.end()}; }
template <class T> std::vector<double> gather(cpu::attend_rows<T> x, integer B, integer H, integer N, integer D) {
  std::vector<double> r;
  for (integer b = 0; b < B; ++b)
    for (integer h = 0; h < H; ++h)
      for (integer t = 0; t < N; ++t) r.insert(r.end(), x.row(b, h, t), x.row(b, h, t) + D);
  return r;
}

template <class T, class Shape, class Score>
void check_all(arena<T, Shape>& a, Score const& score, cpu::attend_lengths lengths, bool biased,
               bool single_key = false) {
  a.both(score, lengths);
  const reference r = naive(a, score, lengths);
  // A dot product of D terms errs by D u; exp turns the absolute error |z| D u into a relative one of p; the sums
  // over the keys (and for dk, dv over the queries and heads) add one u a term. The gradient of a score multiplies
  // three such factors: p, dp - delta, and the sum.
  const double u = std::numeric_limits<T>::epsilon() / 2;
  const double tolerance = u * (2 * (r.largest + 1) * Shape::width + 2 * Shape::keys + 16);
  const integer row = Shape::width;
  const bool single = single_key || lengths.key == 1;
  check_close("out", widen(a.out), r.out, row, tolerance);
  check_close("lse", widen(a.lse), r.lse, 1, tolerance);
  auto g = a.gradients();
  check_close("dq", gather(g.query, Shape::batch, Shape::heads, Shape::queries, row), r.dq, row, 3 * tolerance, single);
  check_close("dk", gather(g.key, Shape::batch, Shape::groups, Shape::keys, row), r.dk, row, 3 * tolerance, single);
  check_close("dv", gather(g.value, Shape::batch, Shape::groups, Shape::keys, row), r.dv, row, 3 * tolerance);
  if (biased) check_close("bias", widen(a.d_table), r.d_table, relative, 3 * tolerance, single);
}

}  // namespace attend_test
