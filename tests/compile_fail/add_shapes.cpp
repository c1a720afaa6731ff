// The shapes of a sum broadcast.
// expect: shapes_do_not_match<formwork::ops::add
// expect: shape<2, 3>
// expect: shape<2>
#include <formwork/ops/add.hpp>
#include <formwork/trace/value.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto total() { return f32<2, 3>() + f32<2>(); }
#else
auto total() { return f32<2, 3>() + f32<3>(); }
#endif
