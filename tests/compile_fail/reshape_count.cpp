// A reshape keeps the number of elements.
// expect: number_of_elements_differs<formwork::call::reshape
// expect: shape<2, 3>
// expect: shape<4, 2>
#include <formwork/trace/views.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto other() { return reshape<4, 2>(f32<2, 3>()); }
#else
auto other() { return reshape<3, 2>(f32<2, 3>()); }
#endif
