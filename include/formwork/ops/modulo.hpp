// z = x - y floor(x / y), the remainder with the sign of y: modulo(-1, 3) is 2. No derivative is defined.
#pragma once

#include <type_traits>

#include "../core/math.hpp"
#include "../program/apply.hpp"

namespace formwork {
namespace ops {

struct modulo {
  static constexpr auto name = "modulo";
  static constexpr int flops = 6;
  template <class T> static constexpr bool is_floating() {
    if constexpr (requires { typename T::element; }) return std::is_floating_point_v<typename T::element>;
    else return std::is_floating_point_v<T>;
  }
  FORMWORK_FN static constexpr auto value(auto x, auto y) {
    using math::floor;
    using math::select;
    using T = decltype(x);
    if constexpr (is_floating<T>()) {
      return x - y * floor(x / y);
    } else {
      const T r = x - (x / y) * y;  // division of integers rounds towards 0
      return select((r < T(0) && y > T(0)) || (r > T(0) && y < T(0)), T(r + y), r);
    }
  }
};

}  // namespace ops

// The remainder with the sign of y, of integers or floating-point numbers; also written x % y on traced values.
template <class X, class Y>
FORMWORK_FN constexpr applied<ops::modulo, X, Y> modulo(X const& x, Y const& y) {
  return apply<ops::modulo>(x, y);
}
template <class X, class Y>
constexpr recorded<ops::modulo, X, Y> operator%(X const& x, Y const& y) { return apply<ops::modulo>(x, y); }

}  // namespace formwork
