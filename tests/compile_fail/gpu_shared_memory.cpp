// What a block of a GPU cannot hold is refused by the compiler: heads of f64 that are too wide.
// expect: a kernel needs more than the 99 KiB of shared memory that a GPU gives to a block: choose narrower heads
#include <formwork/backend/cuda/cuda_kernels.hpp>
#include <formwork/passes/simplify.hpp>
#include <formwork/run/step.hpp>
#include <formwork/trace/attend.hpp>
#include <formwork/trace/trace.hpp>

using namespace formwork;

#ifdef FORMWORK_TWIN
constexpr long width = 320;
#else
constexpr long width = 32;
#endif

struct nothing {};
struct heads {
  using x_t = input<dtype::f64, shape<1, 32, 1, width>>;
  BOOST_HANA_DEFINE_STRUCT(heads, (x_t, q), (x_t, k), (x_t, v));
};
struct attention {
  constexpr auto operator()(auto const&, auto const& in) const { return attend(in.q, in.k, in.v); }
};
struct source {
  static constexpr graph make() { return simplify(trace<attention, nothing, heads>()); }
};
struct launcher {
  using session = void;
  template <class Launch, int N> static void launch(gpu::kernel_arguments<N> const&, void*) {}
};
void run(step_memory const& m) { step<compiled<source>, gpu::device<launcher>>::run(m); }
