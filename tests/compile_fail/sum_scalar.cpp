// A value of no axes has no axis 0.
// expect: axis_is_out_of_range<formwork::call::sum
// expect: shape<>
// expect: axis<0>
#include <formwork/trace/reductions.hpp>

using namespace formwork;

#ifdef FORMWORK_TWIN
auto total() { return sum<0>(value<dtype::f32, shape<>>()); }
#else
auto total() { return sum<>(value<dtype::f32, shape<>>()); }
#endif
