// The operands of a sum have one element type.
// expect: element_types_do_not_match<formwork::ops::add
// expect: f32
// expect: i32
#include <formwork/ops/add.hpp>
#include <formwork/trace/views.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;
template <long... Size> using i32 = value<dtype::i32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto total() { return f32<2, 3>() + i32<2, 3>(); }
#else
auto total() { return f32<2, 3>() + cast<dtype::f32>(i32<2, 3>()); }
#endif
