// The leading axes of a matrix product broadcast.
// expect: shapes_do_not_match<formwork::call::matmul
// expect: shape<7, 2, 3>
// expect: shape<6, 3, 5>
#include <formwork/trace/contract.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto product() { return matmul(f32<7, 2, 3>(), f32<6, 3, 5>()); }
#else
auto product() { return matmul(f32<7, 2, 3>(), f32<7, 3, 5>()); }
#endif
