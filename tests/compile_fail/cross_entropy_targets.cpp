// Every row of logits has one target: an axis of size 1 more would be broadcast.
// expect: shapes_do_not_match<formwork::call::cross_entropy
// expect: shape<8, 10>
// expect: shape<8, 1>
#include <formwork/nn/loss.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;
template <long... Size> using i32 = value<dtype::i32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto loss() { return cross_entropy(f32<8, 10>(), i32<8, 1>()); }
#else
auto loss() { return cross_entropy(f32<8, 10>(), i32<8>()); }
#endif
