// A slice names an axis that its operand has.
// expect: axis_is_out_of_range<formwork::call::slice
// expect: shape<4, 6>
// expect: axis<2>
#include <formwork/trace/views.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto part() { return slice<2, 0, 3>(f32<4, 6>()); }
#else
auto part() { return slice<1, 0, 3>(f32<4, 6>()); }
#endif
