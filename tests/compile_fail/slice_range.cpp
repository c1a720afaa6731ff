// A slice lies inside its axis.
// expect: slice_is_out_of_range<formwork::call::slice
// expect: shape<4, 6>
// expect: axis<1>
// expect: first<4>
// expect: size<3>
#include <formwork/trace/views.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto part() { return slice<1, 4, 3>(f32<4, 6>()); }
#else
auto part() { return slice<1, 3, 3>(f32<4, 6>()); }
#endif
