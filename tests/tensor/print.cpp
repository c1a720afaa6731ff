#include "formwork/tensor/print.hpp"

#include <cmath>
#include <sstream>

#include "support/catch.hpp"

using namespace formwork;

namespace {

template <class T> std::string printed(T const& t) {
  std::ostringstream s;
  s << t;
  return s.str();
}

}  // namespace

TEST_CASE("print: small arrays are whole, with columns of equal width") {
  CHECK(printed(tensor<float, shape<2, 3>>{1, 2.5, -3, 4, 5, 60}) ==
        "[[ 1.0  2.5 -3.0]\n"
        " [ 4.0  5.0 60.0]]");
  CHECK(printed(tensor<float, shape<2, 1, 2>>{0, 1, 2, 3}) == "[[[0. 1.]]\n\n [[2. 3.]]]");
  CHECK(printed(tensor<std::int32_t, shape<3>>{1, -20, 3}) == "[  1 -20   3]");
  CHECK(printed(tensor<float, shape<>>{3.5f}) == "3.5");
  CHECK(printed(tensor<double, shape<2>>{0.1, 1e9}) == "[1e-01 1e+09]");
  CHECK(printed(tensor<float, shape<3>>{0.1f, NAN, -INFINITY}) == "[ 0.1  nan -inf]");
}

TEST_CASE("print: bool and bf16") {
  tensor<bool, shape<2>> b;
  b(1) = true;
  CHECK(printed(b) == "[False  True]");
  tensor<bf16, shape<2>> h;
  h(0) = bf16(1.5f);
  CHECK(printed(h) == "[1.5 0.0]");
}

TEST_CASE("print: a view prints its own elements") {
  tensor<std::int32_t, shape<2, 3>> t{1, 2, 3, 4, 5, 6};
  CHECK(printed(t.slice<1, 1, 2>().transposed<1, 0>()) == "[[2 5]\n [3 6]]");
}

TEST_CASE("print: large arrays are summarised") {
  tensor<std::int32_t, shape<1001>> t;
  t(999) = 7;
  t(500) = 123456;  // left out, so it does not widen the columns
  CHECK(printed(t) == "[0 0 0 ... 0 7 0]");
  tensor<float, shape<40, 50>> m;
  CHECK(printed(m) ==
        "[[0. 0. 0. ... 0. 0. 0.]\n [0. 0. 0. ... 0. 0. 0.]\n [0. 0. 0. ... 0. 0. 0.]\n ...\n"
        " [0. 0. 0. ... 0. 0. 0.]\n [0. 0. 0. ... 0. 0. 0.]\n [0. 0. 0. ... 0. 0. 0.]]");
}
