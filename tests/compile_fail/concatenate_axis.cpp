// Values are put side by side along an axis that they have.
// expect: axis_is_out_of_range<formwork::call::concatenate
// expect: shape<2, 3>
// expect: axis<2>
#include <formwork/trace/views.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto both() { return concatenate<2>(f32<2, 3>(), f32<2, 3>()); }
#else
auto both() { return concatenate<1>(f32<2, 3>(), f32<2, 3>()); }
#endif
