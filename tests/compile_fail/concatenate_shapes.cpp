// Concatenated values agree in the other axes.
// expect: shapes_do_not_match<formwork::call::concatenate
// expect: shape<2, 3>
// expect: shape<3, 4>
#include <formwork/trace/views.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto both() { return concatenate<1>(f32<2, 3>(), f32<3, 4>()); }
#else
auto both() { return concatenate<1>(f32<2, 3>(), f32<2, 4>()); }
#endif
