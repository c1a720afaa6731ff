// Each head of the keys serves as many heads of the queries.
// expect: key_heads_do_not_divide_the_query_heads<formwork::call::attend
// expect: shape<2, 8, 6, 4>
// expect: shape<2, 8, 4, 4>
#include <formwork/trace/attend.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto y() { return attend(f32<2, 8, 6, 4>(), f32<2, 8, 4, 4>(), f32<2, 8, 4, 4>()); }
#else
auto y() { return attend(f32<2, 8, 6, 4>(), f32<2, 8, 3, 4>(), f32<2, 8, 3, 4>()); }
#endif
