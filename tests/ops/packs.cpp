// Every formula on SIMD packs against the same formula on scalars: same lanes, same edge cases, same type of result.
#include <cmath>
#include <limits>

#include "formwork/backend/cpu/simd_math.hpp"
#include "formwork/ops/abs.hpp"
#include "formwork/ops/clamp.hpp"
#include "formwork/ops/cos.hpp"
#include "formwork/ops/divide.hpp"
#include "formwork/ops/equal.hpp"
#include "formwork/ops/erf.hpp"
#include "formwork/ops/expm1.hpp"
#include "formwork/ops/floor.hpp"
#include "formwork/ops/gelu.hpp"
#include "formwork/ops/gelu_tanh.hpp"
#include "formwork/ops/greater.hpp"
#include "formwork/ops/greater_equal.hpp"
#include "formwork/ops/less.hpp"
#include "formwork/ops/less_equal.hpp"
#include "formwork/ops/log.hpp"
#include "formwork/ops/log1p.hpp"
#include "formwork/ops/logical_and.hpp"
#include "formwork/ops/logical_not.hpp"
#include "formwork/ops/logical_or.hpp"
#include "formwork/ops/maximum.hpp"
#include "formwork/ops/minimum.hpp"
#include "formwork/ops/modulo.hpp"
#include "formwork/ops/not_equal.hpp"
#include "formwork/ops/pow.hpp"
#include "formwork/ops/relu.hpp"
#include "formwork/ops/silu.hpp"
#include "formwork/ops/softplus.hpp"
#include "formwork/ops/stop_gradient.hpp"
#include "formwork/ops/tanh.hpp"
#include "support/op_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

template <class T> constexpr int width = cpu::native_width<T>;
template <class T> using pack = cpu::pack<T, width<T>>;

// Lanes of packs and scalars may differ by what the two elementary functions and the compiler's contraction of
// a b + c differ by: 8 epsilon of the result's magnitude, or of 1 for results that come from cancelling ones.
template <class T> bool close(T a, T b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= 8 * std::numeric_limits<T>::epsilon() * std::max(T(1), std::abs(b));
}

template <class Op, class T> void check_lanes(op_range const& range, bool edges) {
  constexpr int n = op_of<Op>()->arity;
  constexpr T special[] = {0, 1, -1, std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity(),
                           std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::max(), T(-1e4)};
  auto points = sample<n>(range);
  if (edges)
    for (T a : special)
      for (int k = 0; k < 3; ++k) {
        std::array<double, n> point{};
        for (int i = 0; i < n; ++i) point[static_cast<std::size_t>(i)] = i == k % n ? a : T(0.5);
        points.push_back(point);
      }
  while (points.size() % static_cast<std::size_t>(width<T>)) points.push_back(points.front());
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    for (std::size_t first = 0; first < points.size(); first += static_cast<std::size_t>(width<T>)) {
      pack<T> x[n];
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        T lanes[width<T>];
        for (int l = 0; l < width<T>; ++l) lanes[l] = static_cast<T>(points[first + static_cast<std::size_t>(l)][i]);
        x[i] = pack<T>::load(lanes);
      }
      pack<T> y = Op::value(x[I]...);
      for (int l = 0; l < width<T>; ++l) {
        T expected = Op::value(x[I][l]...);
        if (close(y[l], expected)) continue;
        CAPTURE(Op::name, sizeof(T), x[0][l], y[l], expected);
        FAIL_CHECK("a lane of the pack differs from the scalar");
        return;
      }
    }
  }(std::make_index_sequence<static_cast<std::size_t>(n)>{});
  SUCCEED();
}

template <class Op> void check_packs(op_range const& range, bool edges = true) {
  check_lanes<Op, float>(range, edges);
  check_lanes<Op, double>(range, edges);
}

template <class Op> void check_mask() {
  pack<float> x = pack<float>::iota(-2), y = pack<float>(0.f);
  auto m = Op::value(x, y);
  auto mi = Op::value(cpu::convert<int>(x), cpu::convert<int>(y));
  for (int l = 0; l < width<float>; ++l) {
    CHECK(m[l] == Op::value(x[l], y[l]));
    CHECK(mi[l] == Op::value(x[l], y[l]));
  }
}

}  // namespace

TEST_CASE("packs: arithmetic") {
  op_range r{.low = -4, .high = 4};
  check_packs<ops::divide>(r);
  check_packs<ops::multiply>(r);
  check_packs<ops::add>(r);
  check_packs<ops::negate>(r);
  check_packs<ops::reciprocal>(r);
  check_packs<ops::square>(r);
  check_packs<ops::abs>(r);
  check_packs<ops::sign>(r);
  check_packs<ops::floor>(r);
  check_packs<ops::stop_gradient>(r);
  check_packs<ops::minimum>(r);
  check_packs<ops::maximum>(r);
  check_packs<ops::clamp>(r);
  check_packs<ops::modulo>(r, false);
}

TEST_CASE("packs: elementary functions") {
  check_packs<ops::exp>({.low = -8, .high = 8});
  check_packs<ops::expm1>({.low = -8, .high = 8});
  check_packs<ops::log>({.low = 0.1, .high = 50});
  check_packs<ops::log1p>({.low = -0.9, .high = 50});
  check_packs<ops::sqrt>({.low = 0, .high = 50});
  check_packs<ops::rsqrt>({.low = 0.1, .high = 50});
  check_packs<ops::erf>({.low = -4, .high = 4});
  check_packs<ops::sin>({.low = -50, .high = 50}, false);
  check_packs<ops::cos>({.low = -50, .high = 50}, false);
  check_packs<ops::pow>({.low = 0.2, .high = 5, .second = {-3, 3}}, false);
}

TEST_CASE("packs: activations") {
  op_range r{.low = -8, .high = 8};
  check_packs<ops::tanh>(r);
  check_packs<ops::sigmoid>(r);
  check_packs<ops::relu>(r);
  check_packs<ops::gelu>(r);
  check_packs<ops::gelu_tanh>(r);
  check_packs<ops::silu>(r);
  check_packs<ops::softplus>(r);
}

TEST_CASE("packs: comparisons, logic and select give masks") {
  check_mask<ops::equal>();
  check_mask<ops::not_equal>();
  check_mask<ops::less>();
  check_mask<ops::less_equal>();
  check_mask<ops::greater>();
  check_mask<ops::greater_equal>();
  auto x = pack<float>::iota(-2);
  auto a = ops::less::value(x, pack<float>(1)), b = ops::greater::value(x, pack<float>(-1));
  auto both = ops::logical_and::value(a, b), either = ops::logical_or::value(a, b), not_a = ops::logical_not::value(a);
  auto s = ops::select::value(a, x, -x);
  for (int l = 0; l < width<float>; ++l) {
    CHECK(both[l] == (a[l] && b[l]));
    CHECK(either[l] == (a[l] || b[l]));
    CHECK(not_a[l] == !a[l]);
    CHECK(s[l] == (a[l] ? x[l] : -x[l]));
  }
}

TEST_CASE("packs: modulo and arithmetic of integers") {
  constexpr int w = width<int>;
  for (int d : {-3, 2, 5}) {
    auto x = cpu::pack<int, w>::iota(-w / 2), y = cpu::pack<int, w>(d);
    auto r = ops::modulo::value(x, y);
    auto m = ops::abs::value(x);
    for (int l = 0; l < w; ++l) {
      CHECK(r[l] == ops::modulo::value(x[l], d));
      CHECK(m[l] == std::abs(x[l]));
    }
  }
}
