// Products with a packed matrix: the same values as with the tensor it was packed from, without a copy; anywhere else it
// reads as that tensor.
#include "formwork/run/packed.hpp"

#include "formwork/nn/eager.hpp"
#include "formwork/ops/exp.hpp"
#include "formwork/ops/gelu.hpp"
#include "formwork/ops/silu.hpp"
#include "formwork/run/assign.hpp"
#include "near.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace formwork;
using testing::near, testing::truth, testing::values, testing::random_tensor;

namespace {

// What the one kernel of `y = expression` reads as its right operand; 0: rows.
template <class Target, class Expression> constexpr long panel_of() {
  using work = assignment<std::tuple<typename Target::view_type>, Expression>;
  static_assert(work::kernels == 1 && work::workspace_bytes == 0);
  return work::program::value.kernels[0].matrix[1].panel;
}

template <class T, long M, long K, long N> void check_product() {
  INFO(M << " x " << K << " x " << N);
  auto x = random_tensor<shape<M, K>, T>(1);
  auto w = random_tensor<shape<K, N>, T>(2);
  auto b = random_tensor<shape<N>, T>(3);
  auto r = random_tensor<shape<M, N>, T>(4);
  const packed_matrix packed(w);
  tensor<T, shape<M, N>> y;
  const auto e = gelu(matmul(x, packed) + b) + r;
  if constexpr (N > packed_panel<T> && K > 1) STATIC_REQUIRE((panel_of<tensor<T, shape<M, N>>, std::remove_const_t<decltype(e)>>() == packed_panel<T>));
  assign(y, e);
  const double epsilon = std::is_same_v<T, double> ? testing::f64_epsilon : testing::f32_epsilon;
  CHECK(near(values(y), truth(M * N, [&](long i) {
          double s = double(b(i % N));
          for (long k = 0; k < K; ++k) s += double(x(i / N, k)) * double(w(k, i % N));
          return testing::gelu(s) + double(r(i / N, i % N));
        }), 2 * (16 + K), epsilon));
}

}  // namespace

TEST_CASE("packed: a product with bias, GELU and residual is one kernel that reads panels") {
  check_product<float, 17, 40, 133>();
  check_product<float, 64, 300, 96>();
  check_product<float, 5, 33, 7>();
  check_product<float, 3, 1, 100>();
  check_product<float, 1, 70, 131>();
  check_product<double, 17, 40, 133>();
}

TEST_CASE("packed: leading axes, a norm before the product, and a function of two packed operands") {
  auto x = random_tensor<shape<2, 9, 40>>(1);
  auto w = random_tensor<shape<40, 130>>(2, 0.3f);
  const packed_matrix packed(w);
  const auto product = [](auto x, auto w) { return matmul(divide_by_rms(x), w); };
  tensor<float, shape<2, 9, 130>> y;
  assign(y, product, x, packed);
  CHECK(near(values(y), values(evaluate(defer(product, x, w))), 2 * (16 + 40)));
  STATIC_REQUIRE(assignment<std::tuple<view<float, shape<2, 9, 130>>>, decltype(defer(product, x, packed))>::kernels ==
                 assignment<std::tuple<view<float, shape<2, 9, 130>>>, decltype(defer(product, x, w))>::kernels);

  auto gate = random_tensor<shape<40, 130>>(3, 0.3f);
  const packed_matrix packed_gate(gate);
  const auto gated = [](auto x, auto w, auto g) { return silu(matmul(x, g)) * matmul(x, w); };
  assign(y, gated, x, packed, packed_gate);
  CHECK(near(values(y), values(evaluate(defer(gated, x, w, gate))), 4 * (16 + 40)));
}

TEST_CASE("packed: from transposed and strided views, and again after a change") {
  auto x = random_tensor<shape<6, 30>>(1);
  auto wide = random_tensor<shape<30, 400>>(2);
  auto turned = random_tensor<shape<110, 30>>(3);
  const auto part = wide.slice<1, 7, 110>();
  packed_matrix packed(part);
  const auto plain = [&](auto w) { return values(evaluate(matmul(x, w))); };
  const auto with_packed = [&] { return values(evaluate(matmul(x, packed))); };
  CHECK(near(with_packed(), plain(part), 2 * 30));
  packed.pack(turned.transposed<1, 0>());
  CHECK(near(with_packed(), plain(turned.transposed<1, 0>()), 2 * 30));
  const view<const float, shape<30, 110>, strides<400, 3>> every_third(wide.data());
  packed.pack(every_third);
  CHECK(near(with_packed(), plain(every_third), 2 * 30));
  packed_matrix moved(std::move(packed));
  CHECK(near(values(evaluate(matmul(x, moved))), plain(every_third), 2 * 30));
}

TEST_CASE("packed: outside of products it reads as the tensor") {
  auto w = random_tensor<shape<20, 130>>(1);
  const packed_matrix packed(w);
  CHECK(values(evaluate(packed + 0.0f)) == values(w));
  CHECK(values(evaluate(exp(packed))) == values(evaluate(exp(w))));
  CHECK(values(evaluate(matrix_transpose(packed))) == values(w.transposed<1, 0>()));
  tensor<float, shape<20, 130>> copy;
  assign(copy, packed);
  CHECK(values(copy) == values(w));
  auto x = random_tensor<shape<130, 6>>(2);
  CHECK(near(values(evaluate(matmul(packed, x))), values(evaluate(matmul(w, x))), 2 * 130));
  auto y = random_tensor<shape<5, 20>>(3);
  CHECK(near(values(evaluate(matmul(y, exp(packed)))), values(evaluate(matmul(y, exp(w)))), 2 * (20 + 16)));
  CHECK(near(values(evaluate(defer([](auto y, auto w) { return matmul(y, w) + sum<0>(w); }, y, packed))),
             values(evaluate(matmul(y, w) + sum<0>(w))), 4 * 20));
}

TEST_CASE("packed: nothing is allocated, and a result in its memory is refused") {
  auto x = random_tensor<shape<4, 64>>(1);
  auto w = random_tensor<shape<64, 192>>(2);
  packed_matrix packed(w);
  tensor<float, shape<4, 192>> y;
  assign(y, matmul(x, packed));
  const auto before = testing::allocations.load();
  assign(y, matmul(x, packed));
  packed.pack(w);
  CHECK(testing::allocations.load() == before);
  view<float, shape<4, 192>> inside(const_cast<float*>(packed.as_view().in_panels().data()) + 100);
  CHECK_THROWS_WITH(assign(inside, matmul(x, packed)), Catch::Contains("overlaps operand 1"));
}

namespace {

// Somebody's own panels, of the width that products read: [3, K, W] as [K, 3 W].
template <class T> void check_panels_of() {
  constexpr long width = packed_panel_bytes / sizeof(T);
  auto numbers = random_tensor<shape<3, 40, width>>(1);
  auto numbers_of_x = random_tensor<shape<5, 40>>(2);
  tensor<T, shape<3, 40, width>> panels;
  tensor<T, shape<40, 3 * width>> rows;
  tensor<T, shape<5, 40>> x;
  const auto as_t = [](float number) { return T(number); };
  std::transform(numbers_of_x.data(), numbers_of_x.data() + x.elements, x.data(), as_t);
  std::transform(numbers.data(), numbers.data() + panels.elements, panels.data(), as_t);
  for (long p = 0; p < 3; ++p)
    for (long k = 0; k < 40; ++k) std::copy_n(&panels(p, k, 0), width, &rows(k, p * width));
  CHECK(values(evaluate(matmul(x, reshape<40, 3 * width>(transpose<1, 0, 2>(panels))))) == values(evaluate(matmul(x, rows))));
}

}  // namespace

TEST_CASE("packed: a product of another type than its operands' reads panels, too") {
  check_panels_of<bf16>();
  check_panels_of<float>();
  auto x = random_tensor<shape<5, 40>>(1);
  auto w = random_tensor<shape<40, 130>>(2);
  const packed_matrix packed(w);
  CHECK(near(values(evaluate(cast<dtype::f64>(matmul(x, packed)))), values(evaluate(cast<dtype::f64>(matmul(x, w)))), 2 * 40));
}
