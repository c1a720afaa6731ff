// The function of a sum over parts gives a scalar.
// expect: sum_over_parts_needs_a_scalar
// expect: shape<2, 6>
#include <formwork/trace/loop.hpp>
#include <formwork/trace/reductions.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

struct same {
  constexpr auto operator()(auto const& x) const { return x; }
};
struct total {
  constexpr auto operator()(auto const& x) const { return reshape<>(sum<>(x)); }
};

#ifdef FORMWORK_TWIN
auto y() { return sum_over_parts<4>(same{}, f32<8, 6>()); }
#else
auto y() { return sum_over_parts<4>(total{}, f32<8, 6>()); }
#endif
