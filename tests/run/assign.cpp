// Elementwise assignments: shapes, broadcasting, strides, several results, results in place of operands.
#include "formwork/run/assign.hpp"

#include "formwork/ops/exp.hpp"
#include "formwork/ops/gelu.hpp"
#include "formwork/ops/greater.hpp"
#include "formwork/ops/select.hpp"
#include "near.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace formwork;
using testing::near, testing::truth, testing::values, testing::random_tensor;

namespace {

template <long N> bool fused_line() {
  auto a = random_tensor<shape<N>>(1), x = random_tensor<shape<N>>(2), b = random_tensor<shape<N>>(3);
  tensor<float, shape<N>> y;
  assign(y, gelu(a * x + b));
  return near(values(y), truth(N, [&](long i) { return testing::gelu(double(a(i)) * x(i) + b(i)); }), 16);
}

}  // namespace

TEST_CASE("assign: an elementwise expression of odd sizes") {
  CHECK(fused_line<1>());
  CHECK(fused_line<17>());
  CHECK(fused_line<1000>());
}

TEST_CASE("assign: an elementwise expression is one kernel without workspace") {
  tensor<float, shape<3>> a;
  auto e = gelu(a * a + a);
  using work = assignment<std::tuple<view<float, shape<3>>>, decltype(e)>;
  STATIC_REQUIRE(work::kernels == 1);
  STATIC_REQUIRE(work::workspace_bytes == 0);
}

TEST_CASE("assign: rows, columns and numbers broadcast") {
  auto x = random_tensor<shape<17, 3>>(1);
  auto column = random_tensor<shape<17, 1>>(2);
  auto row = random_tensor<shape<3>>(3);
  tensor<float, shape<17, 3>> y;
  const float factor = 0.7f;
  assign(y, (x + row) * column - factor * x);
  CHECK(near(values(y), truth(51, [&](long i) { return (double(x.data()[i]) + row(i % 3)) * column(i / 3, 0) - double(factor) * x.data()[i]; }), 8));
}

TEST_CASE("assign: a number is read when the assignment runs") {
  auto x = random_tensor<shape<1000>>(1);
  tensor<float, shape<1000>> y;
  for (float factor : {2.0f, -3.0f}) {
    assign(y, x * factor);
    CHECK(near(values(y), truth(1000, [&](long i) { return double(x(i)) * factor; }), 1));
  }
}

TEST_CASE("assign: the result takes its operand's place") {
  auto x = random_tensor<shape<1000>>(1);
  auto before = x.clone();
  assign(x, exp(x) + x);
  CHECK(near(values(x), truth(1000, [&](long i) { return std::exp(double(before(i))) + before(i); }), 4));
}

TEST_CASE("assign: an overlap in another order is refused") {
  tensor<float, shape<8>> x{1, 2, 3, 4, 5, 6, 7, 8};
  auto first = x.slice<0, 0, 4>();
  auto later = x.slice<0, 1, 4>();
  CHECK_THROWS_WITH(assign(first, later + 1.0f), Catch::Contains("the result overlaps operand 0"));
  auto rest = x.slice<0, 4, 4>();
  assign(first, rest + 1.0f);
  CHECK(values(x) == std::vector<double>{6, 7, 8, 9, 5, 6, 7, 8});
}

TEST_CASE("assign: strided operands and results") {
  auto x = random_tensor<shape<17, 10>>(1);
  auto before = x.clone();
  auto w = random_tensor<shape<4, 17>>(2);
  auto to = x.slice<1, 0, 4>();
  auto from = x.slice<1, 5, 4>();
  assign(to, from * w.transposed<1, 0>() + 1.0f);
  CHECK(near(values(to), truth(68, [&](long i) { return double(before(i / 4, 5 + i % 4)) * w(i % 4, i / 4) + 1; }), 3));
  for (long i = 0; i < 17; ++i)
    for (long j = 4; j < 10; ++j) REQUIRE(x(i, j) == before(i, j));
}

TEST_CASE("assign: strided views of three axes") {
  auto x = random_tensor<shape<3, 6, 8>>(4);
  tensor<float, shape<5, 3, 2>> y;
  auto v = x.slice<1, 1, 2>().slice<2, 3, 5>().transposed<2, 0, 1>();
  assign(y, v * v);
  CHECK(near(values(y), truth(30, [&](long i) { return double(x(i / 2 % 3, 1 + i % 2, 3 + i / 6)) * x(i / 2 % 3, 1 + i % 2, 3 + i / 6); }), 1));
  tensor<float, shape<3, 2, 5>> z;
  assign(z.transposed<2, 0, 1>(), y + 0.5f);
  CHECK(near(values(z.transposed<2, 0, 1>()), truth(30, [&](long i) { return double(y.data()[i]) + 0.5; }), 1));
}

TEST_CASE("assign: a copy, also of one repeated element") {
  auto x = random_tensor<shape<5, 3>>(1);
  tensor<float, shape<3, 5>> y;
  assign(y, x.transposed<1, 0>());
  CHECK(values(y) == values(x.transposed<1, 0>()));
  view<const float, shape<3, 5>, strides<0, 0>> same(x.data());
  assign(y, same);
  CHECK(values(y) == std::vector<double>(15, x(0, 0)));
}

TEST_CASE("assign: several results of one function") {
  auto x = random_tensor<shape<17, 33>>(1);
  tensor<float, shape<17, 33>> e;
  tensor<float, shape<17, 1>> total;
  assign(std::tie(e, total), [](auto v) { auto t = exp(v); return std::tuple(t, sum<-1>(t)); }, x);
  CHECK(near(values(e), truth(17 * 33, [&](long i) { return std::exp(double(x.data()[i])); }), 4));
  CHECK(near(values(total), truth(17, [&](long r) { double s = 0; for (long c = 0; c < 33; ++c) s += std::exp(double(x(r, c))); return s; }), 8));
  CHECK_THROWS_WITH(assign(std::tie(e, e), [](auto v) { return std::tuple(v + v, v * v); }, x), Catch::Contains("results 0 and 1 overlap"));
}

TEST_CASE("assign: pointers of the caller's") {
  std::vector<float> memory(60, 2.0f), result(60);
  view<const float, shape<60>> x(memory.data());
  view<float, shape<60>> y{std::span(result)};
  assign(y, [](auto v, auto n) { return v * v + n; }, x, 1);
  CHECK(result == std::vector<float>(60, 5.0f));
}

TEST_CASE("assign: nothing is allocated after the first call") {
  auto x = random_tensor<shape<17, 33>>(1), y = random_tensor<shape<17, 33>>(2);
  auto w = random_tensor<shape<33, 33>>(3);
  // Two products, so that there is memory between kernels.
  auto run = [&] { assign(y, [](auto a, auto b) { return matmul(exp(matmul(a, b) * 0.01f), b); }, x, w); };
  const long before = testing::allocations;
  run();
  CHECK(testing::allocations > before);  // the count works
  const long first = testing::allocations;
  run();
  CHECK(testing::allocations == first);
}

TEST_CASE("assign: f64, i32 and conditions") {
  tensor<double, shape<17>> d, e;
  for (long i = 0; i < 17; ++i) d(i) = 0.1 * static_cast<double>(i) - 0.8;
  assign(e, exp(d) * 2);
  const auto want = truth(17, [&](long i) { return 2 * std::exp(d(i)); });
  CHECK(testing::worst(values(e), want) < 4e-16);
  CHECK(testing::worst(values(e), want) < testing::f32_epsilon);

  tensor<std::int32_t, shape<5>> n{1, 2, 3, 4, 5}, m;
  assign(m, n * n + 1);
  CHECK(values(m) == std::vector<double>{2, 5, 10, 17, 26});

  auto x = random_tensor<shape<17>>(1);
  tensor<float, shape<17>> y;
  assign(y, select(x > 0, x, 0.5f));
  CHECK(values(y) == truth(17, [&](long i) { return x(i) > 0 ? x(i) : 0.5f; }));
  tensor<bool, shape<17>> b;
  assign(b, x > 0);
  CHECK(values(b) == truth(17, [&](long i) { return x(i) > 0; }));
}
