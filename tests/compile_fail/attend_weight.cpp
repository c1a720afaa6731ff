// A weight of a probability is one number, in the type of the accumulation.
// expect: weight_of_a_probability_is_another_value<formwork::call::attend
// expect: value<formwork::dtype::i32, formwork::shape<
// expect: value<formwork::dtype::f32, formwork::shape<
#include <formwork/trace/views.hpp>
#include <formwork/trace/attend.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto y() { return attend(f32<2, 8, 6, 4>(), f32<2, 8, 6, 4>(), f32<2, 8, 6, 4>(), with_weight([](auto at) { return at.query - at.key; })); }
#else
auto y() {
  return attend(f32<2, 8, 6, 4>(), f32<2, 8, 6, 4>(), f32<2, 8, 6, 4>(), with_weight([](auto at) { return cast<dtype::f32>(at.query - at.key); }));
}
#endif
