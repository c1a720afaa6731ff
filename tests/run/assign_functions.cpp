// Assignments of what is more than elementwise: reductions, softmax, products with epilogues, attention.
#include "formwork/run/assign.hpp"

#include "formwork/nn/eager.hpp"
#include "formwork/ops/gelu.hpp"
#include "formwork/ops/relu.hpp"
#include "formwork/ops/silu.hpp"
#include "near.hpp"
#include "support/catch.hpp"

using namespace formwork;
using testing::near, testing::truth, testing::values, testing::random_tensor;

namespace {

// Rows of f64, for references.
std::vector<double> softmax_of(std::vector<double> x) {
  double top = *std::max_element(x.begin(), x.end()), total = 0;
  for (double& v : x) total += v = std::exp(v - top);
  for (double& v : x) v /= total;
  return x;
}

template <long R, long C> bool softmax_rows() {
  auto x = random_tensor<shape<R, C>>(1, 3);
  tensor<float, shape<R, C>> y;
  assign(y, softmax(x));
  std::vector<double> want;
  for (long r = 0; r < R; ++r)
    for (double v : softmax_of(values(x.at(r)))) want.push_back(v);
  return near(values(y), want, 32);
}

}  // namespace

TEST_CASE("assign: softmax") {
  CHECK(softmax_rows<3, 17>());
  CHECK(softmax_rows<17, 1000>());
  auto x = random_tensor<shape<3, 17>>(1, 3);
  auto expected = evaluate(softmax(x));
  assign(x, softmax(x));
  CHECK(values(x) == values(expected));
}

TEST_CASE("assign: layer norm with gain and bias") {
  constexpr long R = 17, C = 100;
  auto x = random_tensor<shape<R, C>>(1);
  auto gain = random_tensor<shape<C>>(2), bias = random_tensor<shape<C>>(3);
  tensor<float, shape<R, C>> y;
  auto e = standardize(x) * gain + bias;
  STATIC_REQUIRE(assignment<std::tuple<view<float, shape<R, C>>>, decltype(e)>::kernels == 1);
  assign(y, e);
  std::vector<double> want;
  for (long r = 0; r < R; ++r) {
    double m = 0, v = 0;
    for (long c = 0; c < C; ++c) m += x(r, c) / double(C);
    for (long c = 0; c < C; ++c) v += (x(r, c) - m) * (x(r, c) - m) / double(C);
    for (long c = 0; c < C; ++c) want.push_back((x(r, c) - m) / std::sqrt(v + 1e-5) * gain(c) + bias(c));
  }
  CHECK(near(values(y), want, 32));
}

TEST_CASE("assign: a product with a bias, GELU and residual is one kernel") {
  constexpr long M = 17, K = 40, N = 33;
  auto x = random_tensor<shape<M, K>>(1);
  auto w = random_tensor<shape<K, N>>(2, 0.3f);
  auto b = random_tensor<shape<N>>(3);
  auto r = random_tensor<shape<M, N>>(4);
  auto before = r.clone();
  auto e = r + gelu(matmul(x, w) + b);
  STATIC_REQUIRE(assignment<std::tuple<view<float, shape<M, N>>>, decltype(e)>::kernels == 1);
  assign(r, e);
  CHECK(near(values(r), truth(M * N, [&](long i) {
          double s = b(i % N);
          for (long k = 0; k < K; ++k) s += double(x(i / N, k)) * w(k, i % N);
          return before.data()[i] + testing::gelu(s);
        }), 16 + K));
  tensor<float, shape<M, M>> square;
  auto rows = random_tensor<shape<M, M>>(5);
  CHECK_THROWS_WITH(assign(rows, matmul(rows, rows)), Catch::Contains("overlaps operand 0"));
  assign(square, matmul(rows.transposed<1, 0>(), rows * 2.0f));
  CHECK(near(values(square), truth(M * M, [&](long i) {
          double s = 0;
          for (long k = 0; k < M; ++k) s += 2.0 * rows(k, i / M) * rows(k, i % M);
          return s;
        }), 16 + M));
}

namespace {

constexpr long B = 2, T = 17, H = 2, D = 8;
using heads = shape<B, T, H, D>;

// Causal attention, element by element.
template <class Number> std::vector<double> causal_attention(tensor<Number, heads> const& q, tensor<Number, heads> const& k, tensor<Number, heads> const& v) {
  std::vector<double> all;
  for (long b = 0; b < B; ++b)
    for (long t = 0; t < T; ++t)
      for (long h = 0; h < H; ++h) {
        std::vector<double> s;
        for (long u = 0; u <= t; ++u) {
          s.push_back(0);
          for (long d = 0; d < D; ++d) s.back() += double(q(b, t, h, d)) * double(k(b, u, h, d)) / std::sqrt(double(D));
        }
        s = softmax_of(s);
        for (long d = 0; d < D; ++d) {
          all.push_back(0);
          for (long u = 0; u <= t; ++u) all.back() += s[static_cast<std::size_t>(u)] * double(v(b, u, h, d));
        }
      }
  return all;
}

}  // namespace

TEST_CASE("assign: attention with a mask") {
  auto q = random_tensor<heads>(1), k = random_tensor<heads>(2), v = random_tensor<heads>(3);
  CHECK(near(values(evaluate(attend(q, k, v, with_mask(causal)))), causal_attention(q, k, v), 32 + D + T));
}

TEST_CASE("assign: attention and products of doubles, behind pointers of the caller's") {
  auto q = random_tensor<heads, double>(1), k = random_tensor<heads, double>(2), v = random_tensor<heads, double>(3);
  std::vector<double> out(B * T * H * D);
  using doubles = view<const double, heads>;
  assign(view<double, heads>(out.data()), attend(doubles(q.data()), doubles(k.data()), doubles(v.data()), with_mask(causal)));
  // The truth is of the same precision, so that its roundings count as well.
  CHECK(near(out, causal_attention(q, k, v), 2 * (32 + D + T), testing::f64_epsilon));

  auto x = random_tensor<shape<B * T, H * D>, double>(4);
  auto w = random_tensor<shape<H * D, 5>, double>(5);
  CHECK(near(values(evaluate(gelu(matmul(x, w)))), truth(B * T * 5, [&](long i) {
          double s = 0;
          for (long c = 0; c < H * D; ++c) s += x(i / 5, c) * w(c, i % 5);
          return testing::gelu(s);
        }), 2 * (16 + H * D), testing::f64_epsilon));
}

TEST_CASE("assign: cross-entropy") {
  constexpr long R = 17, C = 65;
  auto logits = random_tensor<shape<R, C>>(1);
  tensor<std::int32_t, shape<R>> targets;
  for (long r = 0; r < R; ++r) targets(r) = static_cast<std::int32_t>(r * 7 % C);
  auto loss = evaluate(cross_entropy(logits, targets));
  double want = 0;
  for (long r = 0; r < R; ++r) want -= std::log(softmax_of(values(logits.at(r)))[static_cast<std::size_t>(targets(r))]) / double(R);
  CHECK(near(values(loss), {want}, 32));
}

TEST_CASE("assign: reductions, concatenation and slices") {
  auto x = random_tensor<shape<3, 17, 5>>(1);
  auto down = evaluate(mean<0>(x));
  CHECK(near(values(down), truth(85, [&](long i) { return (double(x.data()[i]) + x.data()[i + 85] + x.data()[i + 170]) / 3; }), 4));
  auto joined = evaluate(concatenate<1>(slice<1, 10, 7>(x), x));
  CHECK(near(values(joined), truth(3 * 24 * 5, [&](long i) { return double(x(i / 120, i / 5 % 24 < 7 ? i / 5 % 24 + 10 : i / 5 % 24 - 7, i % 5)); }), 1));
}

namespace {

// matmul(f(x), g(w)) in f64.
template <class F, class G> std::vector<double> product_of(auto const& x, auto const& w, long m, long n, long k, F f, G g) {
  return truth(m * n, [&](long i) {
    double sum = 0;
    for (long p = 0; p < k; ++p) sum += f(double(x(i / n, p)), i / n, p) * g(double(w(p, i % n)), p, i % n);
    return sum;
  });
}

template <class Y, class E> constexpr int kernels_of(Y const&, E const&) {
  return assignment<std::tuple<decltype(as_view(std::declval<Y&>()))>, E>::kernels;
}

}  // namespace

TEST_CASE("assign: products with work before and after them are one kernel") {
  constexpr long M = 37, N = 53, K = 70;
  auto x = random_tensor<shape<M, K>>(1);
  auto column = random_tensor<shape<M, 1>>(4);
  auto w = random_tensor<shape<K, N>>(2);
  auto row = random_tensor<shape<N>>(3);
  auto gain = random_tensor<shape<K>>(5);
  tensor<float, shape<M, N>> y;
  const auto same = [](double v, long, long) { return v; };
  const auto silu_of = [](double v) { return v / (1 + std::exp(-v)); };

  auto left = silu(x) * 2.0f;
  assign(y, relu(matmul(left, w) + row));
  CHECK(kernels_of(y, relu(matmul(left, w) + row)) == 1);
  auto want = product_of(x, w, M, N, K, [&](double v, long, long) { return 2 * silu_of(v); }, same);
  for (std::size_t i = 0; i < want.size(); ++i) want[i] = std::max(0.0, want[i] + row(static_cast<long>(i) % N));
  CHECK(near(values(y), want, 64));

  // What repeats along rows and columns: the second half of an RMS norm.
  auto scaled = x * column * gain;
  CHECK(kernels_of(y, matmul(scaled, w)) == 1);
  assign(y, matmul(scaled, w));
  CHECK(near(values(y), product_of(x, w, M, N, K, [&](double v, long i, long k) { return v * column(i, 0) * gain(k); }, same), 64));

  // And both halves: a kernel for the sums along rows, which leaves a value per row, and the product.
  const auto normed = [](auto a, auto g, auto b) { return matmul(divide_by_rms(a) * g, b); };
  assign(y, normed, x, gain, w);
  std::vector<double> rms(M);
  for (long i = 0; i < M; ++i) {
    for (long k = 0; k < K; ++k) rms[static_cast<std::size_t>(i)] += double(x(i, k)) * x(i, k) / K;
    rms[static_cast<std::size_t>(i)] = std::sqrt(rms[static_cast<std::size_t>(i)] + 1e-5);
  }
  CHECK(near(values(y), product_of(x, w, M, N, K, [&](double v, long i, long k) { return v / rms[static_cast<std::size_t>(i)] * gain(k); }, same), 64));
  using norm_then_product = assignment<std::tuple<decltype(as_view(y))>, decltype(defer(normed, x, gain, w))>;
  CHECK(norm_then_product::kernels == 2);
  CHECK(norm_then_product::workspace_bytes == 3 * 64);

  // Both operands, and one that is read by columns.
  auto turned = random_tensor<shape<N, K>>(6);
  auto right = transpose<1, 0>(exp(turned));
  CHECK(kernels_of(y, matmul(left, right)) == 1);
  assign(y, matmul(left, right));
  CHECK(near(values(y), truth(M * N, [&](long i) {
    double sum = 0;
    for (long p = 0; p < K; ++p) sum += 2 * silu_of(x(i / N, p)) * std::exp(double(turned(i % N, p)));
    return sum;
  }), 64));

  // In f64, with batches.
  auto a = random_tensor<shape<3, 5, 19>, double>(7);
  auto b = random_tensor<shape<3, 19, 4>, double>(8);
  tensor<double, shape<3, 5, 4>> c;
  CHECK(kernels_of(c, matmul(exp(a), b + 1.0)) == 1);
  assign(c, matmul(exp(a), b + 1.0));
  CHECK(near(values(c), truth(60, [&](long i) {
    double sum = 0;
    for (long p = 0; p < 19; ++p) sum += std::exp(a(i / 20, i / 4 % 5, p)) * (b(i / 20, p, i % 4) + 1);
    return sum;
  }), 64));
}

TEST_CASE("assign: what a product computes before it stays in memory where it is wanted there") {
  auto x = random_tensor<shape<20, 20>>(1), w = random_tensor<shape<20, 20>>(2);
  tensor<float, shape<20, 20>> y, z;
  const auto both = [](auto a, auto b) {
    auto e = exp(a);
    return std::tuple(matmul(e, b), e);
  };
  assign(std::tie(y, z), both, x, w);
  CHECK(values(z) == values(evaluate(exp(x))));
  CHECK(values(y) == values(evaluate(matmul(z, w))));
  // A result in the memory of what the prologue reads would be read after it is written.
  CHECK_THROWS_WITH(assign(x, matmul(exp(x), w)), Catch::Contains("overlaps operand 0"));
  CHECK_THROWS_WITH(assign(x, matmul(w, exp(x))), Catch::Contains("overlaps operand"));
}

TEST_CASE("assign: a product, its activation and the sums down its columns are one kernel") {
  constexpr long M = 37, K = 24, N = 50;
  auto x = random_tensor<shape<M, K>>(1);
  auto w = random_tensor<shape<K, N>>(2, 0.3f);
  tensor<float, shape<M, N>> y;
  tensor<float, shape<1, N>> down;
  const auto f = [](auto a, auto b) {
    auto r = gelu(matmul(a, b));
    return std::tuple(r, sum<0>(r));
  };
  STATIC_REQUIRE(assignment<std::tuple<view<float, shape<M, N>>, view<float, shape<1, N>>>, decltype(defer(f, x, w))>::kernels == 1);
  assign(std::tie(y, down), f, x, w);
  CHECK(near(values(y), values(evaluate(gelu(matmul(x, w)))), 1));
  CHECK(near(values(down), values(evaluate(sum<0>(y))), M));
}

TEST_CASE("assign: a product and the means along its rows are one kernel, and a softmax of it is two") {
  constexpr long M = 37, K = 24, N = 50;
  auto x = random_tensor<shape<M, K>>(1);
  auto w = random_tensor<shape<K, N>>(2, 0.3f);
  tensor<float, shape<M, N>> y;
  tensor<float, shape<M, 1>> means;
  const auto f = [](auto a, auto b) {
    auto r = matmul(a, b);
    return std::tuple(r, mean<1>(r * r));
  };
  STATIC_REQUIRE(assignment<std::tuple<view<float, shape<M, N>>, view<float, shape<M, 1>>>, decltype(defer(f, x, w))>::kernels == 1);
  STATIC_REQUIRE(assignment<std::tuple<view<float, shape<M, N>>>, decltype(defer([](auto a, auto b) { return std::tuple(softmax(matmul(a, b))); }, x, w))>::kernels == 2);
  assign(std::tie(y, means), f, x, w);
  CHECK(near(values(y), values(evaluate(matmul(x, w))), 1));
  CHECK(near(values(means), values(evaluate(mean<1>(y * y))), N));
}
