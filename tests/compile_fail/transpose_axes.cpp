// A transpose names every axis once.
// expect: axes_are_not_a_permutation<formwork::call::transpose
// expect: shape<2, 3, 4>
// expect: axes<0, 2, 2>
#include <formwork/trace/views.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto other() { return transpose<0, 2, 2>(f32<2, 3, 4>()); }
#else
auto other() { return transpose<0, 2, 1>(f32<2, 3, 4>()); }
#endif
