// The operands of a matrix product have one element type.
// expect: element_types_do_not_match<formwork::call::matmul
// expect: f64
#include <formwork/trace/contract.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;
template <long... Size> using f64 = value<dtype::f64, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto product() { return matmul(f32<2, 3>(), f64<3, 5>()); }
#else
auto product() { return matmul(f32<2, 3>(), cast<dtype::f32>(f64<3, 5>())); }
#endif
