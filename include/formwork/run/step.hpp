// step: a compiled program as a straight line of launches over memories that the caller provides. Nothing is looked
// up, allocated or decided while it runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "../kernels/launch.hpp"
#include "compile.hpp"

namespace formwork {

// The memories of one execution. inputs and outputs are numbered as in the traced function; on a GPU they begin at
// multiples of 16 bytes.
struct step_memory {
  std::byte* workspace = nullptr;  // step::workspace_bytes, 64-byte aligned
  std::byte* parameters = nullptr;  // parameter_elements of the compiled program: gaps between parameters are counted
  std::byte* gradients = nullptr;   // the same layout
  void* const* inputs = nullptr;
  void* const* outputs = nullptr;
  random_state random{};
  const random_state* random_at = nullptr;  // where a device reads it instead
  void* queue = nullptr;                    // where a device orders its launches
};

template <class Program, class Device> class step {
  template <int K> using executed = typename Device::template execute<kernel_type<Program, K>>;
  template <int K> static constexpr long launches_of() {
    if constexpr (requires { executed<K>::launches; }) return executed<K>::launches;
    else return 1;
  }
  static constexpr long iterations_of(int k) {
    const int scope = Program::value.kernels[static_cast<std::size_t>(k)].scope;
    return scope == 0 ? 1 : Program::value.scopes[static_cast<std::size_t>(scope)].count;
  }

 public:
  static constexpr int kernels = Program::kernels;

  // Workspace of the plan, then the scratch that the backend's kernels ask for.
  static constexpr std::size_t scratch_bytes = [] {
    std::size_t most = 0;
    [&]<std::size_t... K>(std::index_sequence<K...>) {
      ((most = most > executed<static_cast<int>(K)>::scratch_bytes ? most : executed<static_cast<int>(K)>::scratch_bytes), ...);
    }(std::make_index_sequence<static_cast<std::size_t>(kernels)>{});
    return most;
  }();
  static constexpr std::size_t workspace_bytes = static_cast<std::size_t>(round_up(Program::value.workspace_bytes, 64)) + scratch_bytes;

  // Launches in one step, every iteration of every loop counted. A GPU may need several for a kernel.
  static constexpr long launches = []<std::size_t... K>(std::index_sequence<K...>) {
    return (0L + ... + (launches_of<static_cast<int>(K)>() * iterations_of(static_cast<int>(K))));
  }(std::make_index_sequence<static_cast<std::size_t>(kernels)>{});

  static void run(step_memory const& m) {
    run_from<0>(m, [](int, auto const& kernel) { kernel(); });
  }

  // The same, each launch through observe(kernel number, launch): for timing and for looking at values in between.
  template <class Observe> static void run_observed(step_memory const& m, Observe const& observe) { run_from<0>(m, observe); }

 private:
  template <int K> static constexpr int scope_of() { return Program::value.kernels[K].scope; }
  template <int K> static constexpr int end_of_loop() {
    int e = K;
    while (e < kernels && Program::value.kernels[static_cast<std::size_t>(e)].scope == Program::value.kernels[K].scope) ++e;
    return e;
  }

  template <int K, class Observe> static void run_from(step_memory const& m, Observe const& observe) {
    if constexpr (K < kernels) {
      if constexpr (scope_of<K>() == 0) {
        observe(K, [&] { launch<K>(m, 0, 0); });
        run_from<K + 1>(m, observe);
      } else {
        constexpr frozen_scope loop = Program::value.scopes[static_cast<std::size_t>(scope_of<K>())];
        constexpr int end = end_of_loop<K>();
        for (long n = 0; n < loop.count; ++n) {
          const long i = loop.reversed ? loop.count - 1 - n : n;
          [&]<int... J>(std::integer_sequence<int, J...>) {
            (observe(K + J, [&] { launch<K + J>(m, i, n); }), ...);
          }(std::make_integer_sequence<int, end - K>{});
        }
        run_from<end>(m, observe);
      }
    }
  }

  // n counts the iterations as they run, i names them.
  template <int K> static void launch(step_memory const& m, long i, long n) {
    constexpr frozen_kernel k = Program::value.kernels[K];
    void* arguments[k.arguments > 0 ? k.arguments : 1];
    [&]<int... A>(std::integer_sequence<int, A...>) {
      ((arguments[A] = pointer<k.first_argument + A>(m, i, n)), ...);
    }(std::make_integer_sequence<int, k.arguments>{});
    launch_context ctx{arguments, m.workspace + round_up(Program::value.workspace_bytes, 64), m.random_at ? m.random_at : &m.random, static_cast<std::uint32_t>(i), m.queue};
    executed<K>::run(ctx);
  }

  template <int A> static void* pointer(step_memory const& m, [[maybe_unused]] long i, [[maybe_unused]] long n) {
    constexpr binding b = Program::value.bindings[A];
    if constexpr (b.absent) return nullptr;
    else {
      std::byte* base;
      if constexpr (b.where == region::workspace) base = m.workspace;
      else if constexpr (b.where == region::parameters) base = m.parameters;
      else if constexpr (b.where == region::gradients) base = m.gradients;
      else if constexpr (b.where == region::input) base = static_cast<std::byte*>(m.inputs[b.number]);
      else base = static_cast<std::byte*>(m.outputs[b.number]);
      base += b.offset;
      if constexpr (b.moves == motion::stacked) base += b.step * (i + b.shift);
      else if constexpr (b.moves == motion::alternating) base += b.step * ((n + b.shift) % 2);
      return base;
    }
  }
};

}  // namespace formwork
