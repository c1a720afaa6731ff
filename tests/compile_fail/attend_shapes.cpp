// Queries and keys have heads of one size.
// expect: shapes_do_not_match<formwork::call::attend
// expect: shape<2, 8, 6, 4>
// expect: shape<2, 8, 6, 5>
#include <formwork/trace/attend.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto y() { return attend(f32<2, 8, 6, 4>(), f32<2, 8, 6, 5>(), f32<2, 8, 6, 5>()); }
#else
auto y() { return attend(f32<2, 8, 6, 4>(), f32<2, 9, 6, 4>(), f32<2, 9, 6, 4>()); }
#endif
