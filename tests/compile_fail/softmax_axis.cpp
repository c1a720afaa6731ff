// A softmax runs along an axis that its operand has; the error names the call that was written, not what it is made of.
// expect: axis_is_out_of_range<formwork::call::softmax
// expect: shape<2, 3>
// expect: axis<3>
#include <formwork/nn/normalization.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto probabilities() { return softmax<3>(f32<2, 3>()); }
#else
auto probabilities() { return softmax<1>(f32<2, 3>()); }
#endif
