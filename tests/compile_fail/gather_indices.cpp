// The rows of a table are named by integers.
// expect: needs_indices_of_type_i32<formwork::call::gather
// expect: f32
// expect: shape<5>
#include <formwork/trace/generators.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;
template <long... Size> using i32 = value<dtype::i32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto rows() { return gather(f32<8, 3>(), f32<5>()); }
#else
auto rows() { return gather(f32<8, 3>(), i32<5>()); }
#endif
