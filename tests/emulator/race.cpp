// A layer norm across warps and an embedding gradient, every lane a fibre of its own to ThreadSanitizer. Without an
// argument the kernels must be clean; with the number of a barrier, that barrier is dropped and the sanitizer must
// report the race with its line.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "emulator/device.hpp"
#include "formwork/formwork.hpp"

using namespace formwork;

namespace {

struct module {
  using a_t = parameter<shape<6, 600>>;
  using b_t = parameter<shape<600>>;
  BOOST_HANA_DEFINE_STRUCT(module, (a_t, a), (b_t, b));
};
struct inputs {
  using i_t = input<dtype::i32, shape<300>>;
  BOOST_HANA_DEFINE_STRUCT(inputs, (i_t, i));
};
struct function {
  constexpr auto operator()(auto const& m, auto const& in) const { return mean<>(square(standardize<-1>(gather(m.a, in.i)) * m.b)); }
};
struct source {
  static constexpr graph make() { return simplify(differentiate(simplify(trace<function, module, inputs>(), stop_gradients::keep))); }
};
using program = compiled<source>;
using run = step<program, emulator::device<>>;

}  // namespace

int main(int argc, char** argv) {
  std::vector<float> parameters(static_cast<std::size_t>(program::value.parameter_elements)), gradients(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i] = static_cast<float>(i % 17) - 8;
  std::vector<std::int32_t> indices(300);
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<std::int32_t>(i * i % 6);
  arena workspace(run::workspace_bytes);
  float loss = 0;
  void *in[] = {indices.data()}, *out[] = {&loss};
  emulator::settings how{.seed = 3, .sanitize = true};
  if (argc > 1) how.wrong = emulator::fault::drop_barrier, how.at = std::atoi(argv[1]);
  run::run({.workspace = workspace.data(), .parameters = reinterpret_cast<std::byte*>(parameters.data()),
            .gradients = reinterpret_cast<std::byte*>(gradients.data()), .inputs = in, .outputs = out, .queue = &how});
  std::printf("loss %g\n", static_cast<double>(loss));
}
