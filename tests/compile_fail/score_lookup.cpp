// A table in a score is read with one index per axis.
// expect: needs_one_index_per_axis<formwork::call::lookup
// expect: shape<6, 16>
// expect: indices<1>
#include <formwork/ops/add.hpp>
#include <formwork/trace/attend.hpp>

using namespace formwork;
template <long... Size> using f32 = value<dtype::f32, shape<Size...>>;

#ifdef FORMWORK_TWIN
auto y(f32<6, 16> bias) {
  return attend(f32<2, 8, 6, 4>(), f32<2, 8, 6, 4>(), f32<2, 8, 6, 4>(), with_score([=](auto s, auto at) { return s + bias(at.key); }));
}
#else
auto y(f32<6, 16> bias) {
  return attend(f32<2, 8, 6, 4>(), f32<2, 8, 6, 4>(), f32<2, 8, 6, 4>(), with_score([=](auto s, auto at) { return s + bias(at.head, at.key); }));
}
#endif
