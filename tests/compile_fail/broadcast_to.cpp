// A value broadcasts to sizes that its own allow.
// expect: shapes_do_not_match<formwork::call::broadcast_to
// expect: shape<2, 1>
// expect: shape<3, 4>
#include <formwork/trace/views.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto other() { return broadcast_to<3, 4>(f32<2, 1>()); }
#else
auto other() { return broadcast_to<2, 4>(f32<2, 1>()); }
#endif
