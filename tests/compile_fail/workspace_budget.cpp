// A budget for the workspace that no choice of what to compute again can meet.
// expect: workspace_budget_is_too_small<hopeless
// expect: bytes<64>
// expect: smallest<
#include <formwork/ops/tanh.hpp>
#include <formwork/run/compile.hpp>
#include <formwork/trace/contract.hpp>
#include <formwork/trace/reductions.hpp>
#include <formwork/trace/trace.hpp>

using namespace formwork;

struct numbers {
  using x_t = input<dtype::f32, shape<8, 16>>;
  BOOST_HANA_DEFINE_STRUCT(numbers, (x_t, x));
};
struct block {
  using w_t = parameter<shape<16, 16>>;
  BOOST_HANA_DEFINE_STRUCT(block, (w_t, w));
  constexpr auto operator()(auto const& x) const { return x + tanh(matmul(x, w)); }
};
struct stack {
  using blocks_t = repeat<4, block>;
  BOOST_HANA_DEFINE_STRUCT(stack, (blocks_t, blocks));
};
struct total {
  constexpr auto operator()(auto const& m, auto const& in) const { return reshape<>(sum<>(m.blocks(in.x))); }
};
template <long Bytes> struct budgeted {
  static constexpr long workspace_budget = Bytes;
  static constexpr graph make() { return simplify(differentiate(simplify(trace<total, stack, numbers>(), stop_gradients::keep))); }
};
struct hopeless : budgeted<64> {};
struct enough : budgeted<65536> {};

#ifdef FORMWORK_TWIN
static_assert(compiled<hopeless>::kernels > 0);
#else
static_assert(compiled<enough>::kernels > 0);
#endif
