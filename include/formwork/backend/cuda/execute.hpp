// How a kernel type runs on a GPU: kernel_plan<Kernel, Options>, specialised once per skeleton, names the launches.
//   static constexpr std::size_t scratch_bytes;   of global memory, shared by the launches
//   using launches = launch_list<...>;            in order; each one:
//     static constexpr launch_shape shape;
//     template <class Lane> static void run(Lane const&, kernel_arguments<N> const&);
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "../../kernels/launch.hpp"
#include "../../kernels/tape.hpp"
#include "lane.hpp"

namespace formwork::gpu {

struct launch_shape {
  long blocks = 1;
  int threads = 32;                // per block, a multiple of 32
  std::size_t shared_bytes = 0;    // per block
  int blocks_per_multiprocessor = 1;  // that the registers must leave room for
};

// What every GPU since compute capability 8.6 gives to a block. Schedules stay within it as far as they can.
inline constexpr std::size_t most_shared_bytes = 99 * 1024;

// What a launch is given, by value.
template <int N> struct kernel_arguments {
  void* arguments[N > 0 ? N : 1];
  void* scratch;
  const random_state* random;
  std::uint32_t iteration;
};

template <class... Launch> struct launch_list { static constexpr int size = sizeof...(Launch); };

// How products of f32 operands are computed: exactly, or by tensor cores that read 19 of the 32 bits.
enum class f32_products { exact, tf32 };
template <f32_products Products = f32_products::tf32> struct options { static constexpr f32_products products = Products; };

template <class Kernel, class Options> struct kernel_plan;

// The device of a step: Launcher::launch<Launch>(arguments, queue) starts one launch.
template <class Launcher, class Options = options<>> struct device {
  using session = typename Launcher::session;
  template <class Kernel> struct execute {
    using plan = kernel_plan<Kernel, Options>;
    static constexpr std::size_t scratch_bytes = plan::scratch_bytes;
    static constexpr int launches = plan::launches::size;

    FORMWORK_HIDDEN static void run(launch_context const& ctx) {
      constexpr int n = Kernel::arguments;
      kernel_arguments<n> a{};
      for (int i = 0; i < n; ++i) a.arguments[i] = ctx.arguments[i];
      a.scratch = ctx.scratch;
      a.random = ctx.random;
      a.iteration = ctx.iteration;
      run_all(a, ctx.queue, typename plan::launches{});
    }

   private:
    template <int N, class... Launch> FORMWORK_HIDDEN static void run_all(kernel_arguments<N> const& a, void* queue, launch_list<Launch...>) {
      static_assert(((Launch::shape.shared_bytes <= most_shared_bytes) && ...),
                    "a kernel needs more than the 99 KiB of shared memory that a GPU gives to a block: choose narrower heads, f32 in place of f64, or fewer tables that learn");
      (Launcher::template launch<Launch>(a, queue), ...);
    }
  };
};

}  // namespace formwork::gpu
