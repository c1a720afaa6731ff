// A repeat inside a repeat can be traced and differentiated, but not run as a step.
// expect: repeat_stands_inside_a_repeat<in_one_another>
#include <formwork/ops/tanh.hpp>
#include <formwork/run/compile.hpp>
#include <formwork/trace/trace.hpp>

using namespace formwork;

struct nothing {};
struct numbers {
  using x_t = input<dtype::f32, shape<2, 3>>;
  BOOST_HANA_DEFINE_STRUCT(numbers, (x_t, x));
};
struct inner {
  constexpr auto operator()(auto const& x) const { return tanh(x); }
};
struct outer {
  using inner_t = repeat<2, inner>;
  BOOST_HANA_DEFINE_STRUCT(outer, (inner_t, blocks));
  constexpr auto operator()(auto const& x) const { return blocks(x); }
};
template <class Block> struct stack {
  using blocks_t = repeat<3, Block>;
  BOOST_HANA_DEFINE_STRUCT(stack, (blocks_t, blocks));
};
struct through {
  constexpr auto operator()(auto const& m, auto const& in) const { return m.blocks(in.x); }
};
struct one_loop {
  static constexpr graph make() { return simplify(trace<through, stack<inner>, numbers>()); }
};
struct in_one_another {
  static constexpr graph make() { return simplify(trace<through, stack<outer>, numbers>()); }
};

#ifdef FORMWORK_TWIN
static_assert(compiled<in_one_another>::kernels > 0);
#else
static_assert(compiled<one_loop>::kernels > 0);
#endif
