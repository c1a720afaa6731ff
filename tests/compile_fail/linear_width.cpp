// A linear layer takes rows of its own width.
// expect: shapes_do_not_match<formwork::call::matmul
// expect: shape<8, 64>
// expect: shape<32, 16>
#include <formwork/nn/linear.hpp>

using namespace formwork;

#ifdef FORMWORK_TWIN
auto y() { return linear<32, 16>()(value<dtype::f32, shape<8, 64>>()); }
#else
auto y() { return linear<64, 16>()(value<dtype::f32, shape<8, 64>>()); }
#endif
