// Tensors and views: layout facts, access, slices, refusals.
#include "formwork/tensor/tensor.hpp"

#include <cstdint>
#include <numeric>
#include <vector>

#include "support/catch.hpp"

using namespace formwork;

TEST_CASE("tensor: the layout is known while it compiles") {
  using t = tensor<float, shape<2, 3, 4>>;
  STATIC_REQUIRE(t::rank == 3);
  STATIC_REQUIRE(t::elements == 24);
  STATIC_REQUIRE(t::stride == dims{12, 4, 1});
  STATIC_REQUIRE(t::type == dtype::f32);
  STATIC_REQUIRE(!std::is_copy_constructible_v<t>);
  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<t>);
  STATIC_REQUIRE(sizeof(view<float, shape<2, 3>>) == sizeof(float*));
}

TEST_CASE("tensor: starts as zeros, aligned, and clones") {
  tensor<float, shape<3, 5>> a;
  CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % tensor_alignment == 0);
  for (float x : a.span()) REQUIRE(x == 0.0f);
  a(2, 4) = 7;
  auto b = a.clone();
  a.fill(1);
  CHECK(b(2, 4) == 7.0f);
  CHECK(b(2, 3) == 0.0f);
  auto c = std::move(b);
  CHECK(c(2, 4) == 7.0f);
}

TEST_CASE("tensor: a wrong number of elements is refused") {
  using t = tensor<float, shape<2, 2>>;
  CHECK_THROWS_WITH((t{1, 2, 3}), "a view of shape [2, 2] needs 4 elements, but the span has 3: pass exactly that many");
  std::vector<float> memory(5);
  using v = view<float, shape<2, 2>>;
  CHECK_THROWS_AS(v(std::span(memory)), std::invalid_argument);
  CHECK(v(std::span(memory).first(4)).data() == memory.data());
}

TEST_CASE("view: slices, transposes and single indices address the tensor's memory") {
  tensor<int, shape<3, 4>> t;
  std::iota(t.data(), t.data() + 12, 0);
  auto s = t.slice<1, 1, 2>();
  STATIC_REQUIRE(std::is_same_v<decltype(s), view<int, shape<3, 2>, strides<4, 1>>>);
  STATIC_REQUIRE(!decltype(s)::contiguous);
  CHECK(s(2, 1) == 10);
  auto r = s.transposed<1, 0>();
  STATIC_REQUIRE(std::is_same_v<decltype(r), view<int, shape<2, 3>, strides<1, 4>>>);
  CHECK(r(0, 2) == 9);
  auto row = t.at(1);
  STATIC_REQUIRE(std::is_same_v<decltype(row), view<int, shape<4>>>);
  CHECK(row(3) == 7);
  auto column = t.at<-1>(2);
  CHECK(column(2) == 10);
  CHECK(t.slice<-1, 3, 1>()(1, 0) == 7);
  CHECK(t.slice<0, 1, 2>().reshaped<8>()(4) == 8);
  s(0, 0) = 100;
  CHECK(t(0, 1) == 100);
  CHECK_THROWS_WITH(t.at(3), "index 3 is outside axis 0 of shape [3, 4]");
}

namespace {

// What std::mdspan has, in C++20.
struct strided_matrix {
  float* first;
  long rows, columns, step;
  static constexpr std::size_t rank() { return 2; }
  float* data_handle() const { return first; }
  long extent(std::size_t i) const { return i == 0 ? rows : columns; }
  long stride(std::size_t i) const { return i == 0 ? step : 1; }
};

}  // namespace

TEST_CASE("view: of an mdspan") {
  float memory[12]{};
  memory[5] = 3;
  using v = view<float, shape<3, 2>, strides<4, 1>>;
  CHECK(v(strided_matrix{memory, 3, 2, 4})(1, 1) == 3.0f);
  CHECK_THROWS_WITH(v(strided_matrix{memory, 2, 2, 4}), Catch::Contains("does not fit axis 0 of the mdspan, which has extent 2 and stride 4"));
  CHECK_THROWS_AS(v(strided_matrix{memory, 3, 2, 2}), std::invalid_argument);
}
