// One of two shared libraries of a program, each with kernels of its own: FORMWORK_TEST_LIBRARY names it, and
// FORMWORK_TEST_PRODUCTS says how it multiplies. Elementwise kernels of both have the same types.
#include <cstdio>
#include <exception>
#include <string>

#include "formwork/backend/cuda/cuda.hpp"
#include "formwork/ops/square.hpp"
#include "formwork/passes/differentiate.hpp"
#include "formwork/passes/simplify.hpp"
#include "formwork/run/step.hpp"
#include "formwork/trace/contract.hpp"
#include "formwork/trace/reductions.hpp"
#include "formwork/trace/trace.hpp"

using namespace formwork;

struct product_module {
  using a_t = parameter<shape<48, 32>>;
  using b_t = parameter<shape<32, 40>>;
  BOOST_HANA_DEFINE_STRUCT(product_module, (a_t, a), (b_t, b));
};
struct no_inputs {};
struct product_loss {
  constexpr auto operator()(auto const& m, auto const&) const { return sum<>(square(matmul(m.a, m.b))); }
};
struct product_source {
  static constexpr graph make() { return simplify(differentiate(simplify(trace<product_loss, product_module, no_inputs>(), stop_gradients::keep))); }
};

#define FORMWORK_TEST_JOIN(a, b) a##b
#define FORMWORK_TEST_NAME(library) FORMWORK_TEST_JOIN(answer_of_, library)

// The loss of parameters that are all 1/8: 48 40 (32 / 64)^2 = 480; or why there is none.
extern "C" __attribute__((visibility("default"))) const char* FORMWORK_TEST_NAME(FORMWORK_TEST_LIBRARY)(void* stream) {
  static std::string answer;
  try {
    using device = gpu::device<gpu::launcher, gpu::options<gpu::f32_products::FORMWORK_TEST_PRODUCTS>>;
    using program = compiled<product_source>;
    using run = step<program, device>;
    constexpr auto parameters = static_cast<std::size_t>(program::value.parameter_elements) * sizeof(float), gradients = (run::workspace_bytes + 255) / 256 * 256, begin = gradients + parameters;
    typename device::session session(begin + parameters, 64, 1, {.stream = stream});
    auto* values = reinterpret_cast<float*>(session.view(begin, parameters));
    for (std::size_t i = 0; i < parameters / sizeof(float); ++i) values[i] = 0.125f;
    session.commit(begin, parameters);
    session.run(0, [&] {
      void* outputs[] = {session.exchange()};
      run::run({.workspace = session.memory(), .parameters = session.memory() + begin, .gradients = session.memory() + gradients, .outputs = outputs, .queue = session.queue()});
    });
    answer = "loss " + std::to_string(*reinterpret_cast<float*>(session.host_exchange()));
  } catch (std::exception const& e) {
    answer = e.what();
  }
  return answer.c_str();
}
