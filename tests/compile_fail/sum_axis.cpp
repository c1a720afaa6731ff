// A reduction names axes that its operand has.
// expect: axis_is_out_of_range<formwork::call::sum
// expect: shape<2, 3>
// expect: axis<2>
#include <formwork/trace/reductions.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto total() { return sum<2>(f32<2, 3>()); }
#else
auto total() { return sum<1>(f32<2, 3>()); }
#endif
