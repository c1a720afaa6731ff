// Only an axis of size 1 goes without a trace.
// expect: axis_is_not_of_size_one<formwork::call::squeeze
// expect: shape<2, 3>
// expect: axis<0>
#include <formwork/trace/reductions.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto row() { return squeeze<0>(f32<2, 3>()); }
#else
auto row() { return squeeze<0>(f32<1, 3>()); }
#endif
