// A mean names axes that its operand has.
// expect: axis_is_out_of_range<formwork::call::mean
// expect: shape<2, 3>
// expect: axis<-3>
#include <formwork/trace/reductions.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto average() { return mean<-3>(f32<2, 3>()); }
#else
auto average() { return mean<-2>(f32<2, 3>()); }
#endif
