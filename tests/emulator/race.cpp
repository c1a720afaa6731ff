// Kernels whose every lane is a fibre of its own to ThreadSanitizer: a layer norm across warps with an embedding's
// gradient, which is added in runs, that of a table which is too large for a map, a full reduction split over blocks, a softmax
// whose rows are too long for registers, a product, one that computes its operands, and attention with its gradients, that of a table among them. `emulator_race PROGRAM` must be
// clean; with the name of a kernel and the number of a barrier, that barrier of that kernel is dropped and the sanitizer must
// report the race with its line.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "emulator/device.hpp"
#include "formwork/formwork.hpp"
#include "support/programs.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

using norm_module = two<shape<6, 600>, shape<600>>;
struct norm {
  constexpr auto operator()(auto const& m, auto const& in) const { return mean<>(square(standardize<-1>(gather(m.a, in.i)) * m.b)); }
};

// 600 updates are three runs; the map of their places would be larger than sums and table together.
using narrow_module = one<shape<1500, 1>>;
struct narrow {
  constexpr auto operator()(auto const& m, auto const& in) const { return mean<>(square(gather(m.a, in.i))); }
};

struct squares {
  constexpr auto operator()(auto const& m, auto const&) const { return sum<>(square(m.a)); }
};

struct soft {
  constexpr auto operator()(auto const& m, auto const&) const { return softmax<-1>(m.a); }
};

using product_module = two<shape<40, 300>, shape<300, 24>>;
struct product {
  constexpr auto operator()(auto const& m, auto const&) const {
    return sum<>(cast<dtype::f32>(matmul(cast<dtype::bf16>(m.a), cast<dtype::bf16>(m.b))));
  }
};
using attention_module = two<shape<1, 70, 2, 16>, shape<1, 70, 1, 16>>;
struct attention {
  constexpr auto operator()(auto const& m, auto const&) const {
    auto half = [](auto x) { return cast<dtype::bf16>(x); };
    return sum<>(square(cast<dtype::f32>(attend(half(m.a), half(m.b), half(m.b), with_mask(causal)))));
  }
};

// With a table that learns: an entry for each distance, which several warps add to.
using tables_module = three<shape<1, 70, 2, 16>, shape<1, 70, 1, 16>, shape<2, 70>>;
struct tables {
  constexpr auto operator()(auto const& m, auto const&) const {
    auto half = [](auto x) { return cast<dtype::bf16>(x); };
    const auto score = [&](auto s, auto at) { return s + half(m.c(at.head, at.query - at.key)); };
    return sum<>(square(cast<dtype::f32>(attend(half(m.a), half(m.b), half(m.b), with_mask(causal), with_score(score)))));
  }
};

template <class Source> void run(emulator::settings how) {
  using program = compiled<Source>;
  using step_t = step<program, emulator::device<>>;
  std::vector<float> parameters(static_cast<std::size_t>(program::value.parameter_elements)), gradients(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i] = static_cast<float>(i % 17) / 8 - 1;
  std::vector<std::int32_t> indices(600);
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<std::int32_t>(i * i % 6);
  arena workspace(step_t::workspace_bytes);
  std::vector<float> result(parameters.size());  // or fewer
  void *in[] = {indices.data()}, *out[] = {result.data()};
  step_t::run({.workspace = workspace.data(), .parameters = reinterpret_cast<std::byte*>(parameters.data()),
               .gradients = reinterpret_cast<std::byte*>(gradients.data()), .inputs = in, .outputs = out, .queue = &how});
  std::printf("result %g\n", static_cast<double>(result[0]));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 4) return std::fputs("emulator_race norm|narrow|squares|softmax|product|prologue|attention|tables [KERNEL BARRIER]\n", stderr), 2;
  emulator::settings how{.seed = 3, .sanitize = true};
  if (argc == 4) how.wrong = emulator::fault::drop_barrier, how.only = argv[2], how.at = std::atoi(argv[3]);
  try {
    if (std::strcmp(argv[1], "norm") == 0) run<gradients_of<norm, norm_module, indices<shape<300>>>>(how);
    else if (std::strcmp(argv[1], "narrow") == 0) run<gradients_of<narrow, narrow_module, indices<shape<600>>>>(how);
    else if (std::strcmp(argv[1], "squares") == 0) run<values_of<squares, one<shape<1 << 17>>>>(how);
    else if (std::strcmp(argv[1], "softmax") == 0) run<values_of<soft, one<shape<1, 9000>>>>(how);
    else if (std::strcmp(argv[1], "product") == 0) run<values_of<product, product_module>>(how);
    else if (std::strcmp(argv[1], "prologue") == 0) run<with_prologues<values_of<product, product_module>>>(how);
    else if (std::strcmp(argv[1], "attention") == 0) run<gradients_of<attention, attention_module>>(how);
    else if (std::strcmp(argv[1], "tables") == 0) run<gradients_of<tables, tables_module>>(how);
    else return std::fprintf(stderr, "no program %s\n", argv[1]), 2;
  } catch (emulator::report const& r) {  // what a race may lead to; the sanitizer has said its part by then
    return std::fprintf(stderr, "%s\n", r.what()), 1;
  }
}
