// A split gives equal parts.
// expect: axis_does_not_split_into_equal_parts<formwork::call::split
// expect: shape<4, 6>
// expect: axis<-1>
// expect: parts<4>
#include <formwork/trace/views.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto part() { return split<-1, 4>(f32<4, 6>()); }
#else
auto part() { return split<-1, 3>(f32<4, 6>()); }
#endif
