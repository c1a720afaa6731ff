// The inner sizes of a matrix product agree.
// expect: shapes_do_not_match<formwork::call::matmul
// expect: shape<2, 3>
// expect: shape<4, 5>
#include <formwork/trace/contract.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto product() { return matmul(f32<2, 3>(), f32<4, 5>()); }
#else
auto product() { return matmul(f32<2, 3>(), f32<3, 5>()); }
#endif
