// An operation is applied to as many operands as its formula has.
// expect: wrong_number_of_operands<hypotenuse
// expect: operands<1>
// expect: operands<2>
#include <formwork/ops/sqrt.hpp>
#include <formwork/trace/value.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

struct hypotenuse {
  static constexpr auto name = "hypotenuse";
  FORMWORK_FN static constexpr auto value(auto x, auto y) { return sqrt(x * x + y * y); }
  static constexpr auto derivative(auto x, auto y, auto z, auto dz) { return std::tuple{dz * x / z, dz * y / z}; }
};

#ifdef FORMWORK_TWIN
auto one() { return apply<hypotenuse>(f32<3>()); }
#else
auto two() { return apply<hypotenuse>(f32<3>(), f32<3>()); }
#endif
