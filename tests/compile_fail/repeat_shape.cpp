// A repeated block gives back the shape that it takes.
// expect: repeated_block_changes_its_operand
// expect: shape<2, 3>
// expect: shape<2, 6>
#include <formwork/trace/loop.hpp>
#include <formwork/trace/views.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

struct same {
  constexpr auto operator()(auto const& x) const { return x; }
};
struct twice_as_wide {
  constexpr auto operator()(auto const& x) const { return concatenate<1>(x, x); }
};

#ifdef FORMWORK_TWIN
auto y() { return repeat<4, twice_as_wide>()(f32<2, 3>()); }
#else
auto y() { return repeat<4, same>()(f32<2, 3>()); }
#endif
